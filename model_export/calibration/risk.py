"""Thresholds with a stated bound: with chance 1 - delta, early exits cost at most epsilon.

The loss of an image is the performance gap: 1 where the final exit is right and the early answer is
wrong, -1 the other way round, else 0. Its mean is the accuracy that early exits cost, and that is
what is bounded; right answers that only an early exit gives do count.

A family of threshold vectors, from safe to fast, is fixed before the images to test on are looked
at. The vectors are tested in that order, each at level delta, and the first that fails ends it
(fixed-sequence testing): the chance that any of those that passed breaks the bound is at most
delta. One test is a bet against "the mean is epsilon or more", which cannot win on average if that
is true; the chance of ever holding 1 / delta times the stake is at most delta (Ville's inequality).

References:
    Jazbec et al., Fast yet Safe: Early-Exiting with Risk Control, NeurIPS 2024, arXiv 2405.20915.
    Angelopoulos et al., Learn then Test, 2021, arXiv 2110.01052 (fixed-sequence testing).
    Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS-B 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from eevit_ros.policies.threshold_search import exits_taken
from model_export.errors import UsageError

Losses = npt.NDArray[np.int8]
Test = Callable[[Losses, float, float], bool]

_STAKE = 0.9  # of what may be bet without the risk of losing all


def accuracy_gap(
    right: npt.NDArray[np.bool_], taken: npt.NDArray[np.int64]
) -> npt.NDArray[np.int8]:
    """Return the loss of each image, int8 (N,) of -1, 0 and 1.

    Args:
        right: bool (E + 1, N), whether each exit answers each image correctly.
        taken: int64 (N,), the exit index of each image.
    """
    early = right[taken, np.arange(right.shape[1])]
    return right[-1].astype(np.int8) - early.astype(np.int8)


def is_below(losses: Losses, epsilon: float, delta: float) -> bool:
    """Return whether the mean of the losses' distribution is below epsilon, at level delta.

    Args:
        losses: (N,) within [-1, 1], in random order.
        epsilon: The bound, within (0, 1).
        delta: The chance that the answer is yes though the mean is epsilon or more.
    """
    x = (losses + 1) / 2  # within [0, 1]
    bound = (epsilon + 1) / 2
    before = np.arange(1, len(x) + 1)  # images before each one, plus the one made up at the start
    # Mean and variance of what came before, the bet must not know the image that it is about.
    mean = (0.5 + np.concatenate([[0], np.cumsum(x)[:-1]])) / before
    spread = np.concatenate([[0], np.cumsum((x - mean) ** 2)[:-1]])
    variance = (0.25 + spread) / before
    bet = np.sqrt(2 * np.log(1 / delta) / (len(x) * variance))
    bet = np.minimum(bet, _STAKE / (1 - bound))
    wealth = np.cumsum(np.log1p(bet * (bound - x)))
    return bool(wealth.max() >= np.log(1 / delta))


def certify(
    measure: npt.NDArray[np.float32],
    right: npt.NDArray[np.bool_],
    family: Sequence[tuple[float, ...]],
    epsilon: float,
    delta: float,
    *,
    test: Test = is_below,
) -> int:
    """Return how many vectors of a family pass in order; the last of them may be used.

    Args:
        measure: float32 (E + 1, N), of images that had no part in making the family, in random
            order.
        right: bool (E + 1, N).
        family: Vectors of E thresholds, the safest first.
        epsilon: Accuracy that early exits may cost, as a share.
        delta: Chance, over the draw of the images, that they cost more.
        test: Test of whether a mean is below epsilon, at level delta.

    Raises:
        UsageError: Epsilon or delta is not within (0, 1).
    """
    for name, value in (('risk', epsilon), ('delta', delta)):
        if not 0 < value < 1:
            raise UsageError(f'--{name} must be a share within (0, 1). Got {value}')
    for passed, thresholds in enumerate(family):
        taken = exits_taken(measure, np.array(thresholds, np.float32))
        if not test(accuracy_gap(right, taken), epsilon, delta):
            return passed
    return len(family)


def images_needed(epsilon: float, delta: float) -> int:
    """Return the fewest images with which a family that costs nothing can pass."""
    bound = (epsilon + 1) / 2
    won = np.log1p(_STAKE / (1 - bound) * (bound - 0.5))
    return int(np.ceil(np.log(1 / delta) / won))
