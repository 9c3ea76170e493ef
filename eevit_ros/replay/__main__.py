"""Makes `python -m eevit_ros.replay` run."""

import sys

from eevit_ros.replay.cli import main

sys.exit(main())
