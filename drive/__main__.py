"""`python -m drive`: a simulated robot behind the real nodes, and a report of how it drove."""

from __future__ import annotations

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - says so instead of a syntax error further on
    sys.exit(
        f'drive: Python 3.10 to 3.12 is needed, this is {sys.version.split()[0]}. Try: make drive'
    )

try:
    from drive.run import main
except ImportError as err:
    sys.exit(
        f'drive: {err}. This Python ({sys.executable}) lacks what the drive needs; '
        '`make drive` sets it up and runs the drive in build/venv'
    )

if __name__ == '__main__':
    sys.exit(main())
