"""`python -m demo`: plays the recording through the real node and reports its answers."""

from __future__ import annotations

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - says so instead of a syntax error further on
    sys.exit(
        f'demo: Python 3.10 to 3.12 is needed, this is {sys.version.split()[0]}. Try: make demo'
    )

try:
    from demo.run import main
except ImportError as err:
    sys.exit(
        f'demo: {err}. This Python ({sys.executable}) lacks what the demo needs; '
        '`make demo` sets it up and runs the demo in build/venv'
    )

if __name__ == '__main__':
    sys.exit(main())
