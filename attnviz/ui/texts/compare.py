"""Compare: one photo under every network."""

COMPARE = {
    "heading": "One photo, several networks",
    "hint": "The ten share backbone and recipe; what differs is the attention. A name opens it in Inspect.",
    "networks": "Networks that are compared",
    "count": "{count} chosen, {most} at most",
    "all": "All",
    "nobody": "None",
    "more": "Another network",
    "add": "Add",
    "at_hand": "At hand",
    "control": "Random weights, as a control",
    "yours": "Your own",
    "elsewhere": "Weights that are not at hand are fetched in Inspect, with the chooser below the photo.",
    "empty": "No network is chosen.",
    "plain": "plain",
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
