"""What a person reads about what the page shows: what is seen, and what that does not mean."""

SEES = {
    (
        "channel",
        "gate",
    ): "One gate for each channel, the same at every place: what it multiplies passes in that measure.",
    (
        "channel",
        "logit",
    ): (
        "One number for each channel, before the sigmoid: it is added to the spatial one, and together they "
        "become the gate."
    ),
    ("channel", "distribution"): "Each channel's share of one unit: what it multiplies passes in that measure.",
    ("spatial", "distribution"): "Each place's share of one unit, the same for every channel.",
    (
        "volume",
        "distribution",
    ): "For each channel the places' shares, which sum to 1; the map is their mean, or one channel's of your choice.",
    ("channel", "term"): "One number for each channel, added to it at every place alike.",
    (
        "spatial",
        "gate",
    ): "One gate for each place, the same for every channel: what it multiplies passes in that measure.",
    (
        "spatial",
        "logit",
    ): (
        "One number for each place, before the sigmoid: it is added to the channels' one, and together they "
        "become the gate."
    ),
    (
        "volume",
        "gate",
    ): "One gate for each channel at each place; the map is their mean, or one channel's when you choose a bar.",
    (
        "coordinate",
        "gate",
    ): (
        "For each channel a gate along the height (left edge) and one along the width (lower edge); the map "
        "is their product, in the mean over channels or for one that you choose."
    ),
    (
        "branch",
        "distribution",
    ): "For each channel, how much of each branch is kept; a wider branch sees a wider window of the picture.",
    (
        "context",
        "distribution",
    ): "Where the block looks to sum up the whole picture: the places' shares, which sum to 1.",
    (
        "affinity",
        "distribution",
    ): "How much the ringed place reads from every other: the shares of one row, which sum to 1.",
    ("affinity", "term"): "How strongly the ringed place is joined to every other; the numbers need not sum to 1.",
}
KINDS = {
    "channel": "One number for each channel, the same at every place",
    "spatial": "One number for each place, the same for every channel",
    "volume": "One number for each channel at each place",
    "coordinate": "For each channel a number for each row and one for each column",
    "branch": "For each channel one number for each branch",
    "context": "One number for each place, for the whole picture alike",
    "affinity": "One number for each pair of places",
}
ROLES = {
    "gate": "it multiplies the features.",
    "term": "it is added to the features.",
    "logit": "a sigmoid takes it.",
    "distribution": "together they sum to 1.",
}


def sees(kind: str, role: str) -> str:
    """What an attention value shows, in a sentence."""
    return SEES.get((kind, role)) or f"{KINDS[kind]}: {ROLES[role]}"


DOES_NOT_MEAN = {
    "channel": "A gate knows no class, and an open one is no proof that its channel matters for this prediction.",
    "spatial": "A gate knows no class: it scales the features of every class alike. Grad-CAM is for one class.",
    "volume": "It knows no class: it weighs the features of every class alike. Grad-CAM is for one class.",
    "coordinate": "The product of two strips can mark crosses and corners where nothing lies; and it knows no class.",
    "branch": "A share is not a size: it says which window was preferred, not where or how large the object is.",
    "context": "One map for the whole picture and for every class: it is not where the evidence for a class lies.",
    "affinity": "Reading from a place does not say what is done with it; and no class has a part in this.",
}
NOT_BY_MECHANISM = {
    "BAM": "A gate knows no class; and this one is added to 1, so that 0 leaves the features as they were.",
}
NOT_BY_ROLE = {
    "logit": "It is no gate: what passes is settled by the sigmoid of a sum, of which this is one half.",
    "term": "It is added everywhere alike, so it marks no place and no class.",
}

ABOUT_WORDS = {
    "summary": "What this shows, and what it does not",
    "sees": "What you see.",
    "not": "What it does not mean.",
    "more": "Read more",
}
# A panel's sentences, and the page that its "Read more" opens; None for the chosen block's mechanism.
ABOUT: dict[str, tuple[str, str, str | None]] = {
    "attention": (
        "What the chosen block does at each place of this photo, read from the one pass that made the prediction.",
        "Attention scales or adds features; it is no explanation of the class. That is what the map beside it is for.",
        None,
    ),
    "cam": (
        "Where this network finds evidence for the chosen class, by the chosen method.",
        "It is not what a person would need to see, and another class may have its evidence at the same place.",
        "evidence-for-a-class",
    ),
    "prediction": (
        "How the network shares one unit of probability among the classes that it knows.",
        "It has to choose one of them: for a photo of something else, a high number says nothing.",
        "photo-and-prediction",
    ),
    "rail": (
        "The network's blocks in order; a thumbnail is the attention's map or, without one, what leaves the block.",
        "A small or even map is no broken one: early blocks see fine grids, late ones coarse grids.",
        "maps-colors-and-scales",
    ),
    "affinity": (
        "The ringed place's row: which places it reads most, and how evenly it spreads what it reads.",
        "Reading much from a place does not say what is done with it, nor that it speaks for the class.",
        None,
    ),
    "dependence": (
        "How much places differ among each other in what comes in, in their rows, and in what is added to them.",
        "A low number is no failure: it says that one row for all places, as GC has it, would do nearly the same.",
        "does-the-query-matter",
    ),
    "branches": (
        "For each channel, how its one unit is shared between the windows of different size.",
        "A larger share for the larger window does not mean a larger object: shares move with it, in some stages.",
        None,
    ),
    "zoom": (
        "How the shares move while the middle of the photo is enlarged.",
        "An enlarged photo is also blurred and cut; one photo's curve proves no rule.",
        None,
    ),
    "channels": (
        "One bar a channel: the block's own number for it, or the mean of its gates over places.",
        "A tall bar is no important channel: what the classes make of it is not in this number.",
        "numbers-of-a-block",
    ),
    "spread": (
        "How many places of the map have which value.",
        "An even spread is neither good nor bad; only values that never change from photo to photo are idle.",
        "numbers-of-a-block",
    ),
    "sides": (
        "The block's parts one by one, and their work together: what comes out against what goes in.",
        "A bright ratio is a gain in size, not in evidence: later blocks may take it back.",
        None,
    ),
    "matter": (
        "The prediction and Grad-CAM as they are, and with the attention changed, for this photo.",
        "One photo is an anecdote: the figures on the whole validation set stand below.",
        "does-it-matter",
    ),
    "stepper": (
        "The block's own computation on this photo, one operation at a time, with its real numbers.",
        "One channel at one place is drawn of many; a step that looks idle here may not be so elsewhere.",
        "step-by-step",
    ),
    "compare": (
        "The same photo through the networks you choose; only among those of one recipe the attention alone differs.",
        "One photo ranks nothing; in the table, a difference smaller than the intervals is noise.",
        "compare",
    ),
    "networks": (
        "How many numbers a network has, how many multiply-adds a photo takes, and what memory that needs.",
        "Few multiply-adds are no short time, for gates are cheap to count and slow to apply; and small is not good.",
        "layers-and-cost",
    ),
    "layers": (
        "The same, layer by layer in the order of the pass; what belongs to an attention block is marked.",
        "A share of the work is no share of the answer; and multiply-adds leave out what is done value by value.",
        "layers-and-cost",
    ),
    "bench": (
        "What a mechanism takes by itself, step by step, for the feature map and the options that you choose.",
        "It says nothing of what it does: nothing is trained here. And SK holds the convolution that it replaces.",
        "the-bench",
    ),
    "growth": (
        "What each setting takes when the channels, or both sides of the map, are a quarter to four times as many.",
        "The curves are counts, not times; and a network rarely makes its maps larger and its channels more at once.",
        "the-bench",
    ),
}
