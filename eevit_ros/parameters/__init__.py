"""Parameters and topics of both nodes as data: names, defaults, types, meaning. Without ROS.

Declaration, files in config/, docs/parameters.md and the replay's `-p` read the specs; publishers,
recorders, docs/topics.md and the SROS2 policy read the topics.
May import: perception, model, speed, errors.
Face: `classifier_specs.SPECS`, `classifier.Settings`, `governor_specs.SPECS`,
`governor.GovernorSettings`, `topics`.
"""
