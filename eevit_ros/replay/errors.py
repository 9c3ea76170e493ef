"""The exception of this layer."""

from __future__ import annotations

from eevit_ros.errors import EevitError


class ReplayError(EevitError):
    """A replay cannot be done as asked; the message says what is wrong and what to do."""
