"""How old a frame is, where its stamp can tell."""

from __future__ import annotations

OLDEST_MS = 10_000.0
MISMATCH = 'clock mismatch'


def frame_age_ms(stamp_ns: int, now_ns: int) -> float | None:
    """Milliseconds from a frame's stamp to now.

    Args:
        stamp_ns: The header's stamp.
        now_ns: Now, on the clock that stamps are made of.

    Returns:
        The age; None when the two clocks do not agree: a stamp of zero, in the future, or older
        than `OLDEST_MS`.
    """
    age_ms = (now_ns - stamp_ns) * 1e-6
    return age_ms if stamp_ns != 0 and 0.0 <= age_ms <= OLDEST_MS else None
