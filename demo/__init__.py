"""The demo: a recorded camera, the real node, and a report of what it saw.

Run it with `make demo`, or `python -m demo` where the package's requirements are installed.
"""
