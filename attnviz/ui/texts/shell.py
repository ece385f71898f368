"""What stands around every page: its tabs, its toolbar, its links, and what is said when something fails."""

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

NOTICE = {"close": "Dismiss", "late": "The server has not answered for a minute; the page is as it was."}
WENT_WRONG = "Something went wrong on the server; the page is as it was."
GONE = "Your picture is no longer on the server (uploads are deleted after about an hour): please choose it again."
NO_MODELS = "There are no weights in assets/weights, so no model can be shown."
BAD_REQUEST = "The page asked for something that does not exist ({what}); it is as it was."
