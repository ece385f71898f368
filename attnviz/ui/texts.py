"""What controls and panels say. Braces are filled in by the page or its scripts."""

APP = "attnviz"
TAGLINE = "See what a network's attention does to your picture"
TABS = {
    "inspect": "Inspect",
    "compare": "Compare",
    "models": "Models",
    "bench": "Bench",
    "yours": "Your model",
    "read": "Read",
}

TOOLBAR = {
    "link": "Link",
    "copied": "Copied",
    "copy": "Copy it",
    "address": "A link to what is shown",
    "lecture": "Lecture mode",
    "export": "Export",
    "png": "Picture (PNG)",
    "svg": "Drawing (SVG)",
    "pdf": "Document (PDF)",
    "npz": "Arrays (NPZ)",
    "py": "Python that makes them",
    "unshared": "The link holds all but your picture: whoever opens it sees an example instead.",
    "lost": "The link asks for what is not here ({names}); the rest is shown.",
}

LINK_OWN = "The network that this address was made with was a person's own, and is not in it: another is shown."
LINK_FETCHED = "The network that this address asks for is fetched first: see below its name."
LINK_UPLOAD = "The picture that this address was made with was uploaded, and is not in it: an example is shown."

PHOTO = {
    "heading": "Photo",
    "hint": "Drop, paste or",
    "choose": "choose",
    "kept": "An upload stays on this server for about an hour.",
    "examples": "Examples",
    "uploading": "Uploading …",
    "refused": "This file did not get through: {why}",
    "too_large": "it has {size} MB; the limit is {most} MB",
    "drawn": "drawn",
    "other": "none of the ten",
    "own": "photo",
    "alt": "The picture that is explained: {name}",
    "crop": "The network sees what lies inside the frame.",
}
CLASS = "class {index}"
MODEL = {
    "heading": "Model",
    "weights": "Weights",
    "published": "Trained",
    "random": "Random weights",
    "other": "Another network of timm's",
    "name": "Its name, as timm has it",
    "show": "Show",
    "typed": "Typed",
    "own": "Your own",
    "slow": "slow on two CPUs",
    "light": "good for two CPUs",
    "embedded": "Comes with attnviz",
    "cached": "At hand",
    "downloadable": "Can be downloaded ({size})",
    "out of reach": "Out of reach: connect, set HF_HOME to a folder that has it, or run `attnviz fetch` beforehand",
    "asking": "Asking whether it can be had …",
    "short_cached": "at hand",
    "short_downloadable": "{size}",
    "short_out of reach": "out of reach",
}
MODEL_GROUPS = {
    "family": "One recipe, ten networks (Imagenette)",
    "imagenet": "ImageNet: {mechanism}",
    "plain": "ImageNet: no attention",
    "built": "Built here, with random weights",
}
MODEL_FAMILY = "{params} parameters · {top1} of {dataset}'s validation photos right (95% interval {low} to {high})"
MODEL_CAPTION = "{params} parameters · {macs} multiply-adds · {top1} · {light} · {licence}"
MODEL_TOP1 = "top-1 {top1} on {dataset} ({source})"
MODEL_UNKNOWN = "top-1 not measured"
MODEL_OWN = "Your own: {params} parameters, {macs} multiply-adds. Nobody else can open it."
MODEL_RANDOM = "Random weights: {params} parameters, {macs} multiply-adds, nothing learned."
MODEL_PLAIN = "ResNet-18 thin, plain"
MODEL_NAME = "ResNet-18 thin + {mechanism}"
NAME_RANDOM = "{name}, random weights"
BANNER_RANDOM = "Random weights: nothing here was learned."
BUILT_NAMES = {
    "cbam_resnext50_32x4d": "ResNeXt-50 + CBAM",
    "mobilenetv2_ca": "MobileNetV2 + Coordinate Attention",
}
NOT_AT_HAND = "The weights of {model} are not at hand: choose it again to fetch them."
FETCH = {
    "label": "Fetching the weights of {name}",
    "looking": "{name}: looking for it …",
    "progress": "{name}: {done} of {total}",
    "so_far": "{name}: {done}",
    "cancel": "Cancel",
    "canceled": "Canceled: nothing was changed; what came is kept.",
}

PREDICTION = {
    "heading": "Prediction: choose the class to explain",
    "rest": "Its other classes; it knows no more:",
    "share": "{label}, probability {percent}",
    "search": "Another class, by its name",
    "searched": "Classes by that name",
    "nothing": "No class has this in its name.",
}
PREDICTION_NONE = "This network gives no row of logits, so it has no classes to choose from."
CERTAINTY = (
    "{known} of the ten classes get no more certainty than this one ({percent}); "
    "{other} of other things get at least as much: the network has to choose one of ten."
)
SHARE_INTERVAL = "{share} ({low} to {high})"
SHARE_MANY = "More than 99 in 100 photos"
SHARE_FEW = "Fewer than 1 in 100 photos"
SHARE = "About {part} in {whole} photos"

VIEW = {
    "strength": "Overlay",
    "colors": "Color",
    "scale": "Scale",
    "own": "this map",
    "shared": "shared",
    "absolute": "0 to 1",
    "grid": "Grid",
    "smooth": "smooth",
    "native": "native grid",
    "label": "How the maps are drawn",
}
MAP = {
    "at": "At row {row}, column {column}:",
    "strips": "row gate {h} × column gate {w} =",
    "ends": "The strips have a scale of their own, {low} to {high}.",
    "from": "Query at row {qrow}, column {qcolumn} reads from row {row}, column {column}:",
    "hint": "Arrow keys move the cursor",
    "query_hint": "Arrow keys move the query, Enter or a click pins it, Escape lets it go",
    "follows": "The query follows the pointer and the arrow keys; a click or Enter pins it.",
    "pinned": "The query is pinned: Escape, or a click on it, lets it go.",
    "channel": "{title}, channel {channel}",
    "label": "{title}, a map of {rows} by {columns} values over the picture.",
    "bar": "Colors from {low} to {high}",
}
EVIDENCE = {
    "heading": "Evidence",
    "method": "Evidence by",
    "grad_cam": "Grad-CAM",
    "guided_grad_cam": "Guided Grad-CAM",
    "integrated_gradients": "Integrated Gradients",
    "occlusion": "Occlusion",
    "saliency": "Saliency",
    "target": "for",
    "against": "against",
    "nothing": "nothing",
    "unknown": "There is no class {name}; it stays as it was.",
    "progress": "{method}: {percent}",
}
EVIDENCE_TITLE = "{method}: {of}"
EVIDENCE_AGAINST = "{label} against {other}"
EVIDENCE_INPUT = "the network's input"
EVIDENCE_NOTES = {
    "guided_grad_cam": (
        "Fine detail inside Grad-CAM's region; most of it comes from edges, so it looks sharper than it knows."
    ),
    "integrated_gradients": (
        "What each pixel adds on the way from a picture of mean color; together, nearly the score's whole rise."
    ),
    "occlusion": "How much the score falls when a square of mean color covers the place; below zero, it rises.",
    "saliency": "How strongly the score answers to a small change of each pixel, in whichever direction.",
}
CAM_NOTE = "Evidence for this class alone, at the last feature map; negative evidence is not drawn."
CAM_NOTE_AGAINST = (
    "Evidence for {label} rather than {other}, at the last feature map; what speaks the other way is not drawn."
)
CAM_NONE = "Nothing here speaks for {label}: the map has no positive value."
CAM_NONE_AGAINST = "Nothing here speaks more for {label} than for {other}: the map has no positive value."
CAM_MISSING_TITLE = "Grad-CAM"
CAM_MISSING = "No Grad-CAM here: {reason}."
NO_ATTENTION_TITLE = "No attention"
NO_ATTENTION = "This network has no attention block: choose another model to see one at work."
OUTPUT_TITLE = "{mechanism} block, output"
OUTPUT_CAPTION = "mean of |x| over channels"
OUTPUT_NOTE = (
    "What leaves the block: its attention has numbers for channels and none for places, so it has no map of its own."
)

RAIL = {
    "heading": "Attention blocks in network order",
    "tick": "{layer}: a block without attention",
    "part": "Part",
    "channels": "{channels} channels",
    "grid": "{rows}×{columns}",
    "block": "{layer}, {mechanism}, {channels} channels, {rows} by {columns}",
    "none": "No attention blocks in this network.",
    "unverified": "not verified",
    "skipped": "Skipped: {names}.",
}
FINDINGS = "In this network: {findings}."
FOUND_FORMULA = (
    "{mechanism} was found by its values: what it multiplies or reads was seen, and no formula of a paper is known "
    "for it."
)
FOUND_STEPS = "This block was found by its values: its formula is not known, so there are no steps to show."
DEPENDENCE_NONE = "This is not measured for {mechanism}: only a Non-Local block's input and sum are known step by step."

PART_NAMES = {"cse": "channel (cSE)", "sse": "spatial (sSE)", "mul": "gate (mul)", "add": "term (add)"}
ROLE_NAMES = {"gate": "gate", "logit": "logit", "term": "term", "distribution": "distribution"}
TITLES = {
    ("Non-Local", None): "Non-Local affinity",
    ("SK", None): "SK branch shares",
    ("GC", "context"): "GC context",
    ("scSE", "cse"): "scSE channel gate (cSE)",
    ("scSE", "sse"): "scSE spatial gate (sSE)",
    ("CA", None): "CA gates",
}

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

STEPPER = {
    "back": "Back",
    "next": "Next",
    "channel": "Channel",
    "place": "at row {row}, column {column}",
    "count": "Step {step} of {count}",
    "shape": "Shape {shape}",
    "hint": "Arrow keys or Space step; a click on a map or a bar chooses the place and the channel.",
    "label": "{name}: {label}, shape {shape}, from {min} to {max}.",
    "at": "At {index}:",
}
STEPPER_TITLE = "{mechanism}, step by step"
STEP_INPUT = "input"
DRAWN = {
    "channels": "all channels",
    "hidden": "hidden units",
    "channel": "channel {channel}",
    "map": "one map",
    "first": "the first of {count} maps",
    "branches": "a row for each branch, a column for each channel",
    "place": "the vector at row {row}, column {column}",
    "row": "what row {row}, column {column} reads",
    "strips": "a row for each channel, along the picture's edges",
}

MATTER = {
    "heading": "Does it matter?",
    "how": "What is done to the attention",
    "off": "off",
    "frozen": "frozen",
    "uniform": "uniform",
    "shuffled": "shuffled",
    "scope": "Where",
    "block": "this block",
    "all": "all blocks",
    "as_is": "as it is",
    "before": "As it is",
    "after": "Attention {how}",
    "silent": "no positive evidence",
    "cam": "Grad-CAM of {label}, {side}",
    "scale": "The maps: Grad-CAM of {label}, both from 0 to {high}.",
    "validation": "On the whole validation set, all blocks at once",
    "meaning_off": (
        "Off lets everything pass, and so takes away the attention's average gain as well: read it beside frozen."
    ),
    "meaning_frozen": (
        "Frozen holds the attention at its mean over the training photos: only what it owes to this photo is gone."
    ),
    "meaning_uniform": "Uniform replaces the attention by its own mean here: its amount stays, its choice is gone.",
    "meaning_shuffled": "Shuffled keeps the same values and gives them to other channels or places.",
}
MATTER_NO_LOGITS = "This network gives no row of logits, so there is no prediction to compare."
MATTER_ALL = "all blocks at once"
MATTER_WORDS = "{label}: {was} as it is, {now} now. {rest}"
MATTER_SAME = "The prediction stays {first}."
MATTER_OTHER = "The prediction changes from {first} to {then}."

COMPARE = {
    "heading": "One photo, every network",
    "hint": "The same backbone and the same recipe; what differs is the attention. A name opens it in Inspect.",
    "open": "Open in Inspect",
    "stage": "Attention at",
    "target": "Grad-CAM for",
    "own": "each one's prediction",
    "progress": "{done} of {of} networks",
    "none": "no attention",
    "no_logits": "no logits",
    "cam": "Grad-CAM: {label}",
    "silent": "Grad-CAM: nothing here speaks for {label}",
    "table": "What is known of them",
    "name": "Network",
    "top1": "Top-1 on val/",
    "params": "Parameters",
    "macs": "Multiply-adds",
    "latency": "A pass, here",
    "pointing": "Grad-CAM inside the box",
    "group": "Recipe: {group}",
    "note": (
        "In brackets the 95% intervals: a difference smaller than those is noise, and another seed's is not in them. "
        "Gates are drawn from 0 to 1, all "
        "other maps of a kind on one scale. The picture's very center lies inside the box in {center} of the photos."
    ),
}

QUANTITIES = {"params": "Parameters", "macs": "Multiply-adds", "activations": "Activations"}
NETWORKS = {
    "heading": "What a network takes",
    "hint": "Counted for one photo, functional matrix products included.",
    "first-name": "Network A",
    "second-name": "Network B",
    "side-name": "Input",
    "alone": "none",
    "difference": "B − A",
    **QUANTITIES,
    "weights": "Weights, bytes",
    "saved": "Kept for a backward pass",
    "training": "Training, an estimate",
    "latency": "A pass on this machine",
    "median": "median of {runs}; the middle half",
    "note": "Training: weights, gradients, what {optimizer} keeps, activations kept for {batch} photos; all float32.",
    "time": "Time a pass here",
    "csv": "Layers as CSV",
}
NETWORKS_PROGRESS = {"counting": "Counting {name}", "timing": "Timing {name}"}
LITTLE = "< 0.1%"
MILLISECONDS, QUARTERS = "{value} ms", "{low}–{high}"
LAYERS = {
    "heading": "Layer by layer",
    "hint": "{names}. A row counts all that lies in it; bars are shares of the network.",
    "quantity": "What is compared",
    **QUANTITIES,
    "difference": "B − A",
    "layer": "Layer",
    "kind": "Type",
    "output": "Output",
    "whole": "Whole network",
    "own": "by itself",
    "little": LITTLE,
    "none": "–",
    "open": "Open all",
    "close": "Close all",
}

BENCH = {
    "heading": "One mechanism alone",
    "hint": "untrained: weights as initialized; what is counted does not depend on them",
    "sizes": "The feature map that comes in",
    "channels": "Channels C",
    "height": "Height H",
    "width": "Width W",
    "setting": "Setting {letter}",
    "mechanism": "Mechanism",
    "difference": "B − A",
    **QUANTITIES,
    "step": "Step",
    "shape": "Shape",
    "short": "MACs",
    "memory": "Memory",
    "comes": "comes in",
    "together": "together",
    "note": (
        "Multiply-adds: of convolutions, linear layers and matrix products; pooling, sigmoid, softmax, norms, sums and "
        "the scaling by a gate are work as well, and not in them. Activations: the steps' values in float32."
    ),
    "default": "its rule",
    "working": "Counting …",
}
GROWTH = {
    "heading": "How they grow",
    "hint": "Both axes are logarithmic: a straight line is a power, a level one does not grow.",
    "quantity": "What is drawn",
    **QUANTITIES,
    "channels": "With the channels, at {size}",
    "positions": "With the map's size, at {channels} channels",
    "plot": "{title}: {quantity} of A and B at {count} sizes; the table below has the numbers.",
    "refused": "cannot be",
}

YOURS = {
    "heading": "A network of your own",
    "hint": (
        "Weights as a .safetensors file, for an architecture of timm's or one that attnviz builds. They stay in this "
        "server's memory for you alone, as long as there is room; the file is deleted once it is read."
    ),
    "architecture": "Architecture",
    "architectures": "As timm names it (resnet50, seresnext26ts, …), or one of {built}.",
    "choose": "Choose a file",
    "none": "no file chosen",
    "load": "Load",
    "uploading": "Uploading {name} …",
    "loading": "Loading …",
    "too_large": "{name} has {size} MB; the limit is {most} MB.",
    "refused": "This file did not get through: {why}",
    "incomplete": "Name an architecture and choose a file.",
    "convert": (
        "A pickled checkpoint (.pt, .pth, .bin) can run code when it is opened, so none is. Convert one that you trust:"
    ),
    "code": "Or a Python file on this machine",
    "code_hint": (
        "It defines `model`, a torch.nn.Module, or `build()`, which returns one; it may define `classes` and "
        "`preprocess`. It is run with all the rights of this server."
    ),
    "path": "Path of the file",
    "run": "Run it",
    "open": "Open in Inspect",
    "found": "{name}: {findings}.",
    "nothing": "No attention was found in it; Inspect shows its prediction and Grad-CAM.",
    "layer": "Block",
    "mechanism": "Mechanism",
    "kinds": "Kind",
    "verified": "Verified",
    "yes": "yes",
    "no": "no",
    "skipped": "Skipped",
}
UNTRUSTED = "This server runs no code of its visitors: start it on your own machine with --trust-local-code."
FORMULA = {"heading": "Formula", "sees": "What you see", "not": "What it does not mean", "paper": "Paper"}

NOTICE = {"close": "Dismiss", "late": "The server has not answered for a minute; the page is as it was."}
WENT_WRONG = "Something went wrong on the server; the page is as it was."
GONE = "Your picture is no longer on the server (uploads are deleted after about an hour): please choose it again."
NO_MODELS = "There are no weights in assets/weights, so no model can be shown."
BAD_REQUEST = "The page asked for something that does not exist ({what}); it is as it was."
EXAMPLE_NAMES = {"tower": "Eiffel Tower", "cheetah": "Cheetah", "lion": "Lion"}
