"""One line for a person: what went wrong with the last request, or nothing."""

from attnviz.ui import texts
from attnviz.ui.components.base import Component


class Notice(Component):
    """Value: {"text", "state", "serial"}. It also settles the page's state after each answer."""

    words = texts.NOTICE
    template = '<div class="av-notice" role="alert" hidden><span></span><button type="button">×</button></div>'
