"""Inspect's attention blocks: where they are, what their parts are called, their formulas and steps."""

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
FOUND_FORMULA = "No paper's formula is shown: its steps are the operations that the network ran."
NO_STEPS = "This block's features lie on no grid of rows and columns, so its steps are not drawn."

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

FORMULA = {"heading": "Formula", "sees": "What you see", "not": "What it does not mean", "paper": "Paper"}

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
    "operation": "its first {count} rows",
}
