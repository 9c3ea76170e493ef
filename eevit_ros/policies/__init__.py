"""Exit policies: who leaves at which exit, and with which answer. See `base`."""

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
"""Those that a model file may hold in its graph."""

NAMES = (*STATELESS, 'patience', 'consensus')
"""Those that leave by thresholds alone; `Anytime` needs times besides."""


def build_policy(name: str, accuracy: tuple[float, ...]) -> Policy:
    """The policy of that name for a model whose E + 1 exits have these held-out accuracies.

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
