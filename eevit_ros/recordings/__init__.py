"""Recorded images, whatever holds them: a bag, a video, a folder; and what they truly show.

May import: images, errors; what the extra `replay` brings.
Face: `open.open_source`, `source.Source`, `source.SourceFrame`, `truth.open_truth`.
"""
