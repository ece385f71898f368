"""The block's formula, its source, what one sees and what that does not mean."""

from attnviz.ui import texts
from attnviz.ui.components.base import Component


class Formula(Component):
    """Value: ``blockviews.formula``, or None to show nothing."""

    words = texts.FORMULA
    template = """
    <section class="av-card av-formula" hidden>
      <header><h2></h2><span class="caption"></span></header>
      <div class="lines"></div>
      <dl><dt></dt><dd class="sees"></dd><dt></dt><dd class="not"></dd></dl>
      <p class="citation"><span></span> <a target="_blank" rel="noopener"></a></p>
    </section>"""
