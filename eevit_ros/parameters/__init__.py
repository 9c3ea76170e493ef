"""The parameters of both nodes as data: names, defaults, ranges, meaning; checked without ROS.

Declaration, files in config/, docs/parameters.md and the replay's `-p` all read them.
May import: perception, model, speed, errors.
Face: `classifier_specs.SPECS`, `classifier.Settings`, `governor_specs.SPECS`.
"""
