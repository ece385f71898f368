"""How a map's values spread: a histogram and a sentence."""

from attnviz.ui import texts
from attnviz.ui.components.base import Component


class Spread(Component):
    """Value: ``blockviews.spread``, or None to show nothing."""

    words = texts.SPREAD
    template = """
    <section class="av-card av-spread" hidden>
      <header><h2></h2><span class="caption"></span></header>
      <canvas tabindex="0" role="application"></canvas>
      <p class="readout" aria-live="polite"></p>
      <p class="words"></p>
    </section>"""
