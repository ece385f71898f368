"""All that controls and panels say: to translate the page, translate these files and `prose.py`.

Braces are filled in by the page or its scripts. A name is defined in one file and read as `texts.NAME`.
"""

from attnviz.ui.texts.blocks import *
from attnviz.ui.texts.choice import *
from attnviz.ui.texts.compare import *
from attnviz.ui.texts.costs import *
from attnviz.ui.texts.maps import *
from attnviz.ui.texts.shell import *
from attnviz.ui.texts.values import *
from attnviz.ui.texts.yours import *
