"""The exception of this package."""

from __future__ import annotations


class HarnessError(Exception):
    """A process or a node did not do what it should; the message says which, and its last words."""
