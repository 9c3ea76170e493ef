"""What the paths of a world tell: time against missed signs, and the time saved at equal risk.

Risk is the share of signs that are missed: over all of them, or in the worst zone, that is under
the condition where it is highest. Intervals are of 95 % by a bootstrap that draws paths and
pictures, both with replacement (Owen, The pigeonhole bootstrap, 2007): paths share pictures, so
drawing paths alone would make the intervals too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drive.study.fleet import Driven, Route, Values
from eevit_ros.reporting.equal_risk import seconds_at
from eevit_ros.reporting.interval import Interval

RESAMPLES = 1000


@dataclass(frozen=True)
class Curve:
    """Time and risk of K settings. B draws of the bootstrap; the first is all paths, each once.

    Attributes:
        seconds: float64 (B, K), mean of the paths.
        rates: float64 (B, K, conditions), share of missed signs in each condition.
        total: float64 (B, K), share of missed signs.
        zone_seconds: float64 (B, K, conditions), mean time in a zone of each condition.
    """

    seconds: Values
    rates: Values
    total: Values
    zone_seconds: Values

    @property
    def worst(self) -> Values:
        """Share of missed signs where it is highest, (B, K)."""
        worst: Values = self.rates.max(-1)
        return worst

    def setting(self, number: int) -> Curve:
        """Return one setting."""
        one = slice(number, number + 1)
        return Curve(
            self.seconds[:, one], self.rates[:, one], self.total[:, one], self.zone_seconds[:, one]
        )


class Weigher:
    """Weighs the paths and signs of a route in each draw of the bootstrap."""

    def __init__(self, route: Route, resamples: int = RESAMPLES) -> None:
        """Draw, always the same."""
        rng = np.random.default_rng(0)
        self._kinds = len(route.paths.conditions)
        self._condition = route.condition.ravel()
        self._zones = route.paths.zones
        pictures = route.paths.sign_picture
        number = np.unique(pictures, return_inverse=True)[1].reshape(pictures.shape)
        paths, count = len(pictures), int(number.max()) + 1
        drawn = rng.multinomial(paths, np.full(paths, 1 / paths), resamples)
        self._paths = np.concatenate([np.ones((1, paths)), drawn])
        of_picture = np.concatenate(
            [np.ones((1, count)), rng.multinomial(count, np.full(count, 1 / count), resamples)]
        )
        signs = self._paths[:, :, np.newaxis] * of_picture[:, number]
        self._signs = signs.reshape(len(signs), -1).astype(np.float32)

    def curve(self, driven: Driven) -> Curve:
        """Return time and risk of every setting in every draw."""
        seconds = self._paths @ driven.seconds.T / self._paths.sum(1, keepdims=True)
        missed = driven.missed.reshape(len(driven.missed), -1).T.astype(np.float32)
        lost, all_signs = [], []
        for kind in range(self._kinds):
            there = self._condition == kind
            weights = self._signs[:, there]
            lost.append(weights @ missed[there])
            all_signs.append(weights.sum(1, keepdims=True))
        lost_signs, signs = np.stack(lost, -1), np.stack(all_signs, -1)
        total = lost_signs.sum(-1) / signs.sum(-1)
        in_zones = []
        for kind in range(self._kinds):
            here = self._zones == kind  # (N, Z)
            spent = self._paths @ (driven.zone_seconds * here).sum(-1).T
            in_zones.append(spent / (self._paths @ here.sum(1, keepdims=True)))
        rates = (lost_signs / signs).astype(np.float64)
        return Curve(seconds, rates, total.astype(np.float64), np.stack(in_zones, -1))


def saved(law: Curve, constant: Curve, *, worst: bool = True) -> Values:
    """Return the share of time that a setting saves against a constant speed of its risk. (B,)."""
    risk, risks = (c.worst if worst else c.total for c in (law, constant))
    return 1 - law.seconds[:, 0] / seconds_at(risk[:, 0], risks, constant.seconds)


def saved_at(oracle: Curve, law: Curve, constant: Curve, *, worst: bool = True) -> Values:
    """Return the share of time that an oracle saves at the risk of a law's setting. (B,)."""
    risk, risks, known = (c.worst if worst else c.total for c in (law, constant, oracle))
    needed = seconds_at(risk[:, 0], known, oracle.seconds)
    return 1 - needed / seconds_at(risk[:, 0], risks, constant.seconds)


def missed_at_same_time(law: Curve, constant: Curve, signs: int, *, worst: bool = False) -> Values:
    """Return how many more of `signs` are missed than at a constant speed of its time. (B,)."""
    risk, risks = (c.worst if worst else c.total for c in (law, constant))
    return signs * (risk[:, 0] - _risk_at(law.seconds[:, 0], constant.seconds, risks))


def missed_in_zone(law: Curve, constant: Curve, kind: int, *, zone_time: bool) -> Values:
    """Return how much higher the miss rate of a condition is than at a constant speed. (B,).

    Args:
        law: One setting.
        constant: The curve of constant speeds.
        kind: Number of the condition.
        zone_time: Whether the constant speed takes the law's time in such zones; otherwise it takes
            the law's time for the whole path.
    """
    own, times = (
        curve.zone_seconds[..., kind] if zone_time else curve.seconds for curve in (law, constant)
    )
    return law.rates[:, 0, kind] - _risk_at(own[:, 0], times, constant.rates[..., kind])


def _risk_at(seconds: Values, curve_seconds: Values, curve_risk: Values) -> Values:
    """Return the risk of a curve, whose times fall, for a time in each draw. (B,), (B, K)."""
    return np.array(
        [
            np.interp(wanted, times[::-1], risks[::-1])
            for wanted, times, risks in zip(seconds, curve_seconds, curve_risk, strict=True)
        ]
    )


def interval(draws: Values) -> Interval:
    """Return the value of all paths and its 95 % interval, from the draws."""
    low, high = np.nanpercentile(draws[1:], (2.5, 97.5))
    return Interval(float(draws[0]), float(low), float(high))
