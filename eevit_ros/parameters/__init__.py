"""Parameters and topics of the nodes as data: names, defaults, types, meaning. Without ROS.

A part's parameters (rate law, shift, limit, ...) are stated in its own settings class; publishers,
recorders, docs/topics.md and the SROS2 policy read the topics.
May import: perception, model, speed, settings, errors.
Face: `classifier.Settings`, `governor.GovernorSettings`, the `SPECS` of each, `bags`, `topics`.
"""
