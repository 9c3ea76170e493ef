"""Results of a replay: frame table, figures, comparison of two replays, requirements.

May import: replay.errors, reporting; perception and speed (for the time saved); pandas.
Face: `frame_table.FrameRow`, `result.Result`, `summary.summarise`, `comparison.compare_results`.
"""
