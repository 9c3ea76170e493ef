"""What a person opens: the pages of `run` and `compare`, their plots, tables and pictures.

May import: results; reporting, recordings.
Face: `page.write_report`, `comparison_page.write_comparison`.
"""
