"""Temperatures and thresholds from held-out images, and what can be promised of them.

`choose` finds thresholds for a target, `risk` tests a promise, `temperatures` calibrates answers,
`degrade` spoils images, `exit_settings` says all of that in a model file's words.
May import: export, weights, network, data, errors; the policies of `eevit_ros`.
Face: `choose.choose`, `choose.Target`, `choose.CalibrationSet`, `temperatures.calibrate`.
"""
