"""The one exception class of the drive."""

from __future__ import annotations


class DriveError(Exception):
    """The drive cannot go on.

    The message names what was wrong, the value found, and what to do about it.
    """
