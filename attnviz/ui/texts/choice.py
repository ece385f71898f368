"""What is chosen and explained: the photo, the network and its weights, the class."""

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

EXAMPLE_NAMES = {"tower": "Eiffel Tower", "cheetah": "Cheetah", "lion": "Lion"}

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
NOT_AT_HAND = "The weights of {model} are not at hand: choose it in Inspect to fetch them."
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
PREDICTION_PLACES = "This network scores every place: choose one in Grad-CAM's panel, and its classes stand here."
CERTAINTY = (
    "{known} of the ten classes get no more certainty than this one ({percent}); "
    "{other} of other things get at least as much: the network has to choose one of ten."
)
SHARE_INTERVAL = "{share} ({low} to {high})"
SHARE_MANY = "More than 99 in 100 photos"
SHARE_FEW = "Fewer than 1 in 100 photos"
SHARE = "About {part} in {whole} photos"
