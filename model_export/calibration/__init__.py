"""Temperatures and thresholds from held-out images, and what can be promised of them.

May import: export, network, data, errors; the policies of `eevit_ros`.
Face: `exit_settings.choose_exit_settings`, `choose.choose`, `choose.Target`.
"""
