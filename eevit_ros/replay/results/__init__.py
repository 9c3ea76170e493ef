"""What a replay came to: the table of frames, its figures, comparison and requirements.

May import: replay.errors; pandas.
Face: `frame_table.FrameRow`, `summary.summarise`, `comparison.compare_results`.
"""
