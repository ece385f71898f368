"""The prediction: every class with its probability; choosing one chooses what Grad-CAM explains."""

from attnviz.ui import texts
from attnviz.ui.components.base import Component


class Prediction(Component):
    """Value: ``payloads.prediction``."""

    words = texts.PREDICTION
    template = """
    <section class="av-card av-prediction">
      <h2></h2>
      <div class="top" role="group"></div>
      <p class="certainty"></p>
      <p class="more"></p>
      <div class="rest" role="group"></div>
    </section>"""
