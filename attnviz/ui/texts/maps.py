"""Inspect's maps over the photo: attention, evidence for a class, and both with the attention changed."""

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
    "score_hint": "Arrow keys move the cursor, Enter or a click chooses the place whose scores are explained",
    "query_hint": "Arrow keys move the query, Enter or a click pins it, Escape lets it go",
    "follows": "The query follows the pointer and the arrow keys; a click or Enter pins it.",
    "pinned": "The query is pinned: Escape, or a click on it, lets it go.",
    "channel": "{title}, channel {channel}",
    "label": "{title}, a map of {rows} by {columns} values over the picture.",
    "bar": "Colors from {low} to {high}",
}

NO_ATTENTION_TITLE = "No attention"
UNREAD_ATTENTION = (
    "This network has attention that cannot be read, or has no place on a photo: what was seen of it is named with the "
    "blocks below."
)
NO_ATTENTION = "This network has no attention block: choose another model to see one at work."
OUTPUT_TITLE = "{mechanism} block, output"
OUTPUT_CAPTION = "mean of |x| over channels"
OUTPUT_NOTE = (
    "What leaves the block: its attention has numbers for channels and none for places, so it has no map of its own."
)

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
    "layer": "at",
    "layer_hint": "the layer whose feature map Grad-CAM stands on; empty: the network's own choice",
    "no_layer": "{name} gives no feature map in this network; Grad-CAM stays where it was.",
    "whole": "All places",
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
CAM_NOTE = "Evidence for this class alone, at the feature map of {layer}; negative evidence is not drawn."
CAM_NOTE_AGAINST = (
    "Evidence for {label} rather than {other}, at the feature map of {layer}; what speaks the other way is not drawn."
)
CAM_NONE = "Nothing here speaks for {label}: the map has no positive value."
CAM_NONE_AGAINST = "Nothing here speaks more for {label} than for {other}: the map has no positive value."
CAM_MISSING_TITLE = "Grad-CAM"
CAM_MISSING = "No Grad-CAM here: {reason}."
CAM_PLACES = "This network scores every place: click one here to see what speaks for its class, or take all places."
SCORED = {
    "none": "Scores on {rows}×{columns} places",
    "one": "Scores at row {top}, column {left} of {rows}×{columns}",
    "some": "Mean score of rows {top}–{bottom}, columns {left}–{right} of {rows}×{columns}",
    "all": "Mean score of all {rows}×{columns} places",
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
MATTER_PLACES = "This network scores every place: choose one in Grad-CAM's panel, and its classes are compared here."
MATTER_ALL = "all blocks at once"
MATTER_WORDS = "{label}: {was} as it is, {now} now. {rest}"
MATTER_SAME = "The prediction stays {first}."
MATTER_OTHER = "The prediction changes from {first} to {then}."
