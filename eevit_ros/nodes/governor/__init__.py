"""The node `speed_governor`: the adaptive rate in, a speed limit or velocity commands out.

Face: `node.main`, the executable.
"""
