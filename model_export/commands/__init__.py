"""The commands of `python -m model_export`, one file each: its options and its work.

May import: everything below.
"""
