"""The one exception class of the demo."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot go on.

    The message names what was wrong, the value found, and what to do about it.
    """
