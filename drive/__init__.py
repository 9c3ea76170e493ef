"""The drive: a simulated robot whose speed follows the real classifier and the real governor.

Run it with `make drive`, or `python -m drive` where the package's requirements are installed.
"""
