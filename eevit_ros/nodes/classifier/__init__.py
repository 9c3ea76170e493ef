"""The lifecycle node `classifier`: images in, answers and the adaptive rate out.

Face: `node.main`, the executable.
"""
