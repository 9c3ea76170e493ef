"""The exception of this layer."""

from __future__ import annotations

from eevit_ros.errors import EevitError


class RecordingError(EevitError):
    """A recording cannot be read or written; the message says what is wrong and what to do."""
