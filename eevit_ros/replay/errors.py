"""The exception of replays, and how a recording that failed is told."""

from __future__ import annotations

from eevit_ros.errors import EevitError


class ReplayError(EevitError):
    """A replay cannot be done as asked; the message says what is wrong and what to do."""


def skipped(name: str, err: Exception) -> str:
    """Return a sentence on a recording that was left out, whatever was raised."""
    if isinstance(err, EevitError):
        return f'{name} was skipped: {err}'
    return f'{name} was skipped: {type(err).__name__}: {err} (an error of eevit_ros: report it)'
