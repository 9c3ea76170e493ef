"""The lifecycle node `classifier`: images in, answers and the adaptive rate out.

`node` has the transitions and parameters, `activation` the inference thread and timers, `camera`
what comes in, `publishers` and `annotate` what goes out.
May import: what `nodes` may, but not the other nodes.
Face: `node.main`, the executable.
"""
