"""The commands of `python -m model_export`, one file each: its options and its work.

Each has `HELP`, `add_arguments` and `run`. What is slow to import, such as torch, is imported
inside the functions that need it, so that `--help` answers at once.
May import: everything below.
"""
