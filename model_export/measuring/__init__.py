"""How model files are measured: every exit's answers to a data set, and every exit's time.

Both run the robot's engine. Answers are computed once and may be kept on disk, so that a study of
thresholds, classes or confidences is arithmetic.
May import: data, errors; the engine and the policies of `eevit_ros`.
Face: `answers.answers`, `answers.leaving`, `timing.time_exits`.
"""
