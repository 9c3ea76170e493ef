"""The exception of the drive."""

from __future__ import annotations


class DriveError(Exception):
    """The drive cannot go on; the message says what was wrong and what to do about it."""
