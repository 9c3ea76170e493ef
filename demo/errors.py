"""The exception of the demo."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot go on; the message says what was wrong and what to do about it."""
