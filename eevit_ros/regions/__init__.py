"""Things instead of frames: the boxes of a detector, each classified. Without ROS.

`pairing` finds the picture that detections are about, `box` where a box lies in it, `memory` what a
tracked thing was answered with before; `classify` brings them together, `counts` tells of it.
May import: perception, model, images, settings, errors.
Face: `settings.RegionSettings`, `classify.RegionClassifier`, `pairing.Pairing`, `counts.Counts`.
"""
