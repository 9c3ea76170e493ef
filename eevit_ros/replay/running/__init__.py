"""From recordings to rows: each frame through the node's own core, on the recording's clock.

May import: results, report, parameters, options; recordings, perception, model, speed.
Face: `pipeline.replay`.
"""
