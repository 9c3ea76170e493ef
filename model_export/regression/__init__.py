"""Models that answer with a number, such as a count: a file format and an exit policy of their own.

`policy` leaves where two exits agree, `export` chooses its tolerances and writes the file,
`model_file` describes that file, `session` runs it. `counting_set` makes images to try it on.
May import: calibration, export, weights, network, data, errors; parts of the robot's engine.
Face: `session.RegressionSession`, `export.export`.
"""
