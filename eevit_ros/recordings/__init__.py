"""Recorded images of a bag, a video or a folder, and labels of what they show.

    source, open         what every recording offers, and from a path to it
    bag, video, folder   the three kinds
    truth, truth_csv     labels

May import: images, errors; what the extra `replay` brings.
Face: `open.open_source`, `open.find_recordings`, `source.Source`, `source.SourceFrame`,
`truth.open_truth`.
"""
