"""How model files are measured: every exit's answers to a data set, and every exit's time.

May import: network, data, errors; the engine and the policies of `eevit_ros`.
Face: `answers.answers`, `timing.time_exits`.
"""
