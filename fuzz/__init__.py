"""Damaged and made-up input by the million, to whatever reads files and messages.

Each target is a module with `prepare(folder)`, which returns a function of a random generator: it
makes one case, has it read, and raises `EevitError` where it was refused, as it must be when it is
wrong. Any other exception is a finding, and so are `Wrong`, a crash, a hang and too much memory.
"""

from __future__ import annotations


class Wrong(Exception):
    """An answer for an input that must be refused, a refusal of a good one, or a wrong answer."""
