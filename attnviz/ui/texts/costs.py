"""Models and Bench: what networks, and mechanisms by themselves, take."""

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
