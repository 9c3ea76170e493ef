"""Damage to bytes as bad disks, bad cables and bad programs do it."""

from __future__ import annotations

from random import Random

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutate(data: bytes, rng: Random) -> bytes:
    """Return the data with one to four places damaged."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        if not found:
            break
        _damage(found, rng)
    return bytes(found)


def _damage(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data))
    length = rng.choice((1, 1, 2, 4, 16, 256))
    kind = rng.randrange(8)
    if kind == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[at : at + length] = rng.randbytes(length)
    elif kind == 2:
        del data[at : at + length]
    elif kind == 3:
        data[at:at] = rng.randbytes(length)
    elif kind == 4:  # the same again
        data[at:at] = data[at : at + length]
    elif kind == 5:  # a length, a size, a count
        size = rng.choice((1, 2, 4, 8))
        number = rng.choice(_NUMBERS) % (1 << 8 * size)
        data[at : at + size] = number.to_bytes(size, rng.choice(('big', 'little')))
    elif kind == 6:
        other = rng.randrange(len(data))
        data[at : at + length] = data[other : other + length]
    else:
        del data[at:]
