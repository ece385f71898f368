"""The nine attention mechanisms, one file each, as their papers have them."""

from attnviz.mechanisms.bam import BAM
from attnviz.mechanisms.base import Block, Kind, Mechanism, Part, Placement, Role, Step
from attnviz.mechanisms.cbam import CBAM
from attnviz.mechanisms.coordinate import CoordinateAttention
from attnviz.mechanisms.eca import ECA
from attnviz.mechanisms.gc import GC
from attnviz.mechanisms.non_local import NonLocal
from attnviz.mechanisms.scse import SCSE
from attnviz.mechanisms.se import SE
from attnviz.mechanisms.sk import SK

__all__ = [
    "BAM",
    "CBAM",
    "ECA",
    "GC",
    "SCSE",
    "SE",
    "SK",
    "Block",
    "CoordinateAttention",
    "Kind",
    "Mechanism",
    "NonLocal",
    "Part",
    "Placement",
    "Role",
    "Step",
]
