"""Inspect's numbers: channels, branches, how values spread, what a query reads."""

CHANNELS = {
    "order": "in order",
    "sorted": "sorted",
    "ends": "top and bottom",
    "histogram": "histogram",
    "ordering": "How the bars are laid out",
    "bin": "Channels from {low} to {high}:",
    "of": "of {count}",
    "reading": "Channel {channel}:",
    "rank": "rank {rank} of {count}",
    "mean": "mean of all channels",
    "label": "{title}: {count} bars. Arrow keys move from bar to bar.",
    "choose": "A click shows that channel's map above.",
}
CHANNELS_MEAN = "mean of each channel"
GATES_HALF = "{count} of {all} gates ({percent}) lie between 0.4 and 0.6; mean {mean}."
GATES_ENDS = "Open (over 0.9): {open}. Shut (under 0.1): {shut}."
CHANNELS_RANGE = "The channels' means run from {low} to {high}; their mean is {mean}."
SIGNED = "{count} of {all} are positive; from {low} to {high}, mean {mean}."

BRANCHES = {
    "order": "in order",
    "sorted": "sorted",
    "ordering": "Order of the channels",
    "branch": "Branch {branch}",
    "window": "{size}×{size} window",
    "mean": "Mean over channels",
    "reading": "Channel {channel}:",
    "label": (
        "{title}: the shares of {branches} branches in {count} channels. Arrow keys move from channel to channel."
    ),
}
SIDES = {
    "heading": "Part by part, and together",
    "before": "What goes in: mean of |x|",
    "after": "What comes out, same scale",
    "ratio": "Out against in",
    "last_branch": "SK: share of the largest kernel",
    "non_local": "{model}, same stage: mean over its queries",
    "note": "A gate is drawn from 0 to 1. Out against in: what all parts do together, place by place (channel mean).",
}
SIDES_CHANNEL = {
    "before": "What goes in: channel {channel}",
    "after": "What comes out: channel {channel}, same scale",
}
ZOOM = {
    "heading": "Does a larger object move the shares?",
    "zoom": "Zoom",
    "crop": "The photo's middle, enlarged {zoom} times",
    "plot": "How the shares of {stages} stages move over {zooms} zooms",
    "formula": (
        "Mean share of the largest kernel less that of the smallest, over a stage's channels (Li et al. 2019)."
    ),
}
ZOOM_CAPTION = "the middle of {source}, 1 to 2 times"
ZOOM_WORDS = "From 1 to 2 times, the larger kernel gains in {up} and loses in {down}."
ZOOM_NONE = "no stage"
SPREAD = {
    "label": "{title}: how many values lie where, from {low} to {high}.",
    "bin": "{count} of {all} values between {low} and {high}",
    "values": "values",
}
SPREAD_GATE = "{half} of the gates lie between 0.4 and 0.6, {open} over 0.9, {shut} under 0.1."
SPREAD_SIGNED = "{positive} of the values are positive."
SPREAD_SHARE = "Entropy {entropy} of a uniform map's; the strongest tenth of the places holds {top} of the whole."
SPREAD_TITLE = "{title}: how the values spread"

AFFINITY = {
    "heading": "What the query reads",
    "query": "Query: row {row}, column {column} of {rows}×{columns}",
    "strongest": "Five strongest",
    "place": "row {row}, column {column}",
    "entropy": "Entropy {entropy} of a uniform row's (1 reads everywhere alike, 0 reads one place)",
    "row": "Row: sum {sum}, from {low} to {high}",
    "part": "Row: sum {sum}, from {low} to {high}; the rest falls outside the picture, and the entropy leaves it out",
}

DEPENDENCE = {
    "heading": "Does the query matter?",
    "input": "What comes in",
    "attention": "Attention rows",
    "output": "What is added",
    "formula": (
        "Mean of (1 − cos) / 2 over all pairs of positions: 0, all alike; 0.5, nothing in common "
        "(Cao et al. 2019, section 3.2)."
    ),
}
DEPENDENCE_LOW = (
    "What the block adds differs {ratio} as much from place to place as what comes in: nearly one vector for all "
    "queries would have done, as GCNet found."
)
DEPENDENCE_HIGH = (
    "What the block adds differs {ratio} as much from place to place as what comes in: each query gets an answer "
    "of its own."
)

DEPENDENCE_NONE = "This is not measured for {mechanism}: only a Non-Local block's input and sum are known step by step."
