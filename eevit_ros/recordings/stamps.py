"""Stamps as people write them: seconds with all nine decimals, or whole nanoseconds."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

SECOND_NS = 1_000_000_000

_NANOSECONDS_ABOVE = 10**14  # as seconds these would be three million years
_LARGEST = 2**63


def stamp_text(stamp_ns: int) -> str:
    """Return a stamp in seconds, exactly: 1700000000.123456789."""
    second, nanosecond = divmod(abs(stamp_ns), SECOND_NS)
    return f'{"-" if stamp_ns < 0 else ""}{second}.{nanosecond:09d}'


def parse_stamp(text: str) -> int:
    """Return a stamp in nanoseconds.

    Args:
        text: Seconds, rounded to a nanosecond; nanoseconds when above 1e14. Read as a decimal: a
            float would lose the last digits of a stamp.

    Raises:
        ValueError: It is neither.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f'{text!r} is not a number') from None
    if not (value.is_finite() and 0 <= value < _LARGEST):
        raise ValueError(f'{text!r} is not a stamp in seconds or nanoseconds')
    return round(value if value > _NANOSECONDS_ABOVE else value * SECOND_NS)
