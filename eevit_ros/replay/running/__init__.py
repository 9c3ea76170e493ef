"""From recordings to a frame table: each frame through the core of the node, on recorded time.

May import: results, options, errors; recordings, perception, model, speed, reporting.host_info.
Never imports report.
Face: `pipeline.replay`.
"""
