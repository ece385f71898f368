"""Everything attnviz raises on purpose: one line that a person can act on."""


class AttnvizError(Exception):
    """The base of all errors that attnviz raises on purpose; its text is one line."""


class OptionError(AttnvizError, ValueError):
    """An option or an argument that cannot be: the line says what was given and what can be."""


class ShapeError(AttnvizError, ValueError):
    """A tensor whose shape does not fit: the line says both shapes."""


class PictureError(AttnvizError, ValueError):
    """A picture that cannot be read: the line says what is wrong with it, never where it lies."""


class ModelError(AttnvizError, RuntimeError):
    """A model or its weights that cannot be used: the line says why and what to do."""


class OutOfReachError(ModelError):
    """Weights that are neither here nor to be had. ``fetching``: the line for whom is fetching them already."""

    def __init__(self, line: str, fetching: str = "") -> None:
        super().__init__(line)
        self.fetching = fetching or line


class EditError(AttnvizError, ValueError):
    """An edit that makes no sense for its attention: the line says which edits do."""


class GradientError(AttnvizError, RuntimeError):
    """A gradient that cannot be had: the line says why. What needs none goes on."""


class CanceledError(AttnvizError):
    """Work that nobody wanted any more."""
