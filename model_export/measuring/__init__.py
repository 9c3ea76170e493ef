"""How models are measured: every exit's answers, times, warm-up, machines.

May import: calibration, export, training, network, data; the engine of `eevit_ros`.
"""
