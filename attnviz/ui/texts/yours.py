"""Your model: a network of one's own."""

YOURS = {
    "heading": "A network of your own",
    "hint": (
        "Weights as a .safetensors file, for an architecture of timm's or one of attnviz's own. They stay in this "
        "server's memory for you alone, as long as there is room; the file is deleted once it is read."
    ),
    "architecture": "Architecture",
    "architectures": (
        "As timm names it (resnet50, seresnext26ts, …), the id of one of the ten networks (resnet18t-se, …), or one of "
        "{built}."
    ),
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
