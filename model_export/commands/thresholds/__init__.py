"""The command `thresholds`: the trade-off of a model, and thresholds for a target.

Face: `command.thresholds`.
"""
