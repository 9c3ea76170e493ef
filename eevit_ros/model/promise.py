"""The promise that comes with a model's calibrated thresholds, and whether it still holds.

It covers only the thresholds that were tested. docs/thresholds.md says how it is made and what it
assumes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eevit_ros.errors import EevitError

KINDS = ('accuracy_gap',)


@dataclass(frozen=True)
class Promise:
    """With probability 1 - delta, early exits cost at most epsilon of accuracy.

    Attributes:
        kind: The quantity that is bounded; 'accuracy_gap': the final exit's accuracy minus that at
            the file's thresholds, on the distribution that the calibration images come from.
        epsilon: The bound, a share within (0, 1).
        delta: Chance, over the draw of the calibration images, that the bound is wrong.
        samples: Number of calibration images.
        calibration_hash: Hash of the calibration images, 16 hexadecimal digits, see
            docs/thresholds.md.
        policy: The measure that the thresholds are compared with.
    """

    kind: str
    epsilon: float
    delta: float
    samples: int
    calibration_hash: str
    policy: str

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            EevitError: One is out of range; names it.
        """
        _require('kind', self.kind in KINDS, self.kind, f'be one of {KINDS}')
        _require('epsilon', 0 < self.epsilon < 1, self.epsilon, 'be within (0, 1)')
        _require('delta', 0 < self.delta < 1, self.delta, 'be within (0, 1)')
        _require('samples', self.samples > 0, self.samples, 'be positive')
        known = bool(re.fullmatch('[0-9a-f]{16}', self.calibration_hash))
        _require('calibration_hash', known, self.calibration_hash, 'be 16 hexadecimal digits')

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Promise:
        """Read what `dataclasses.asdict` wrote.

        Raises:
            EevitError: An entry is missing, unknown or of a wrong type.
        """
        kinds = {name: type(value) for name, value in values.items()}
        wanted = {
            'kind': str,
            'epsilon': float,
            'delta': float,
            'samples': int,
            'calibration_hash': str,
            'policy': str,
        }
        if kinds != wanted:
            raise EevitError(f"metadata 'promise' must have {sorted(wanted)}. Got {values!r:.120}")
        return cls(**values)

    def __str__(self) -> str:
        """Return the promise in words."""
        return (
            f'early exits cost at most {self.epsilon:.2%} of accuracy on data like the '
            f'calibration, with {1 - self.delta:.4g} confidence ({self.samples} images)'
        )


def promise_in_use(
    promise: Promise | None, tested: Sequence[float], in_use: Sequence[float], policy: str
) -> str:
    """Return the promise at the thresholds and exit policy in use, in words; 'none' without one.

    Args:
        promise: The file's promise.
        tested: The thresholds that it covers.
        in_use: The thresholds in use.
        policy: The exit policy in use.
    """
    if promise is None:
        return 'none'
    if policy != promise.policy:
        return f'does not hold: exit policy {policy}, and {promise.policy} was tested'
    if tuple(in_use) == tuple(tested):
        return str(promise)
    which = 'lower' if any(a < b for a, b in zip(in_use, tested, strict=True)) else 'other'
    return f"does not hold: {which} thresholds than the file's, which were tested"


def _require(name: str, holds: bool, value: object, rule: str) -> None:
    if not holds:
        raise EevitError(f"metadata 'promise': {name} must {rule}. Got {value!r:.120}")
