"""The tiny model and the test peer of the node's own tests serve here too."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / 'eevit_ros'))
