"""Exit policies: which images leave at which exit, and with which answer.

May import: errors; NumPy.
Face: `build_policy`, `Policy` and the policies below; `operating_point.measure_exits` and
`operating_point.operating_point` for what thresholds come to; `threshold_search` for choosing them.
"""

from __future__ import annotations

from eevit_ros.errors import EevitError
from eevit_ros.policies.agreement import Consensus, Patience
from eevit_ros.policies.anytime import Anytime
from eevit_ros.policies.base import TINY, ExitReading, Policy
from eevit_ros.policies.confidence import ConfidencePolicy, Entropy, Margin, Softmax

STATELESS: dict[str, type[ConfidencePolicy]] = {
    'softmax': Softmax,
    'entropy': Entropy,
    'margin': Margin,
}
"""Policies that a model file can hold in its graph, by name."""

NAMES = (*STATELESS, 'patience', 'consensus')
"""Policies that need only thresholds; `Anytime` needs times as well."""


def build_policy(name: str, accuracy: tuple[float, ...]) -> Policy:
    """Return a policy by its name.

    Args:
        name: One of `NAMES`.
        accuracy: Held-out accuracy of each of the model's E + 1 exits.

    Raises:
        EevitError: The name is unknown.
    """
    if name in STATELESS:
        return STATELESS[name]()
    if name == 'patience':
        return Patience(len(accuracy) - 1)
    if name == 'consensus':
        return Consensus([max(share, TINY) for share in accuracy])
    raise EevitError(f'policy must be one of {NAMES}. Got {name!r}')


__all__ = [
    'NAMES',
    'STATELESS',
    'Anytime',
    'ConfidencePolicy',
    'Consensus',
    'Entropy',
    'ExitReading',
    'Margin',
    'Patience',
    'Policy',
    'Softmax',
    'build_policy',
]
