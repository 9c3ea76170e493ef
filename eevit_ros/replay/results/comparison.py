"""Two replays of the same recordings, frame by frame.

Neighbouring frames show the same scene and are not independent samples: the confidence intervals
come from a bootstrap over blocks of time (Künsch, 1989), each drawn with both answers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.results.frame_table import ANSWERED
from eevit_ros.replay.results.result import Result
from eevit_ros.reporting.interval import Interval, bootstrap

BLOCK_S = 1.0
RESAMPLES = 10_000
LONGEST_STEP_S = 1.0  # of driving through a gap in the recording

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """B against A.

    Attributes:
        frames: Number of frames that both answered.
        only_a: Number that A alone answered (B dropped or refused them).
        only_b: Number that B alone answered.
        blocks: Number of time blocks behind the intervals.
        different: Share of the common frames with different labels.
        against: Meaning of right: 'truth', 'reference' (A's, at full depth) or ''.
        accuracy: Accuracy of B minus that of A; None where nothing is known.
        latency: Mean of A over mean of B; above 1, B is faster.
        macs: Mean multiply-accumulates of A over those of B.
        speed_limit: Mean of B minus mean of A, percent of full speed.
        wrong_distance: Share of the distance driven on wrong answers, A and B. Hypothetical: the
            camera went where the recording robot drove.
        table: The common frames with the columns of both, suffixes _a and _b.
    """

    frames: int
    only_a: int
    only_b: int
    blocks: int
    different: float
    against: str
    accuracy: Interval | None
    latency: Interval | None
    macs: Interval | None
    speed_limit: Interval | None
    wrong_distance: tuple[float | None, float | None]
    table: pd.DataFrame

    def to_json(self) -> dict[str, Any]:
        """Return all but the table."""
        facts = {field.name: getattr(self, field.name) for field in fields(self)}
        del facts['table']
        for name in ('accuracy', 'latency', 'macs', 'speed_limit'):
            interval = facts[name]
            facts[name] = interval._asdict() if interval else dict.fromkeys(Interval._fields)
        return facts

    @property
    def measured(self) -> str:
        """Answers that `accuracy` counts, in words."""
        return 'answers as at full depth of A' if self.against == 'reference' else 'right answers'

    def lines(self) -> list[str]:
        """Return a table for the terminal."""
        wrong = ['unknown' if share is None else f'{share:.1%}' for share in self.wrong_distance]
        return [
            '',
            f'{self.frames} frames answered by both ({self.only_a} by A alone, {self.only_b} by B '
            f'alone); intervals of 95 %, from {self.blocks} blocks of {BLOCK_S:g} s',
            f'  different labels           {self.different:.2%}',
            f'  share of {self.measured}, B less A: {shown(self.accuracy, "+.2%")}',
            f'  B is faster (latency)      {shown(self.latency, ".3f")}x',
            f'  B is cheaper (MACs)        {shown(self.macs, ".3f")}x',
            f'  speed limit, B less A      {shown(self.speed_limit, "+.1f")} percent of full speed',
            f'  distance on wrong answers  A {wrong[0]}, B {wrong[1]} (hypothetical: the camera '
            f'went where the recording robot drove)',
        ]


def shown(interval: Interval | None, form: str) -> str:
    """Return an interval for people; `form` is the format of one number."""
    return interval.text(form) if interval else 'unknown'


def compare_results(a: Result, b: Result) -> Comparison:
    """Compare two replays of the same recordings.

    Raises:
        ReplayError: They have no answered frame in common.
    """
    sides = [side.frames[side.frames['status'] == ANSWERED].astype({'bag': str}) for side in (a, b)]
    keys = ['bag', 'index']
    table = sides[0].merge(sides[1], on=keys, suffixes=('_a', '_b'), validate='one_to_one')
    if table.empty:
        raise ReplayError('the two replays have no answered frame in common: nothing to compare')
    known_by = [name for name in ('truth', 'reference') if (table[f'{name}_a'] != '').any()]
    against = known_by[0] if known_by else ''
    blocks = _blocks(table)
    expected = table[f'{against}_a' if against else 'truth_a'].astype(str)
    known = (expected != '').to_numpy()
    right = [
        (table[f'label_{side}'].astype(str) == expected).to_numpy(float) for side in ('a', 'b')
    ]
    for side, values in zip(('a', 'b'), right, strict=True):
        table[f'right_{side}'] = np.where(known, values, np.nan)
    table['differs'] = (table['label_a'].astype(str) != table['label_b'].astype(str)).to_numpy()
    column = {
        name: (table[f'{name}_a'].to_numpy(float), table[f'{name}_b'].to_numpy(float))
        for name in ('latency_ms', 'macs', 'speed_limit_percent')
    }
    return Comparison(
        frames=len(table),
        only_a=len(sides[0]) - len(table),
        only_b=len(sides[1]) - len(table),
        blocks=len(np.unique(blocks)),
        different=float(table['differs'].mean()),
        against=against,
        accuracy=_difference(right[0][known], right[1][known], blocks[known]),
        latency=_quotient(*column['latency_ms'], blocks),
        macs=_quotient(*column['macs'], blocks),
        speed_limit=_difference(*column['speed_limit_percent'], blocks),
        wrong_distance=tuple(_wrong_distance(table, side) for side in ('a', 'b')),  # type: ignore[arg-type]
        table=table,
    )


def _blocks(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Number each row's block of time within its recording."""
    seconds = (table['received_ns_a'] // int(BLOCK_S * 1e9)).astype(str)
    return np.asarray(pd.factorize(table['bag'] + ' ' + seconds)[0], np.int64)


def _difference(a: Values, b: Values, blocks: npt.NDArray[np.int64]) -> Interval | None:
    return _bootstrap(b - a, np.ones_like(a), blocks)


def _quotient(a: Values, b: Values, blocks: npt.NDArray[np.int64]) -> Interval | None:
    return _bootstrap(a, b, blocks)


def _bootstrap(above: Values, below: Values, blocks: npt.NDArray[np.int64]) -> Interval | None:
    """Return sum(above) / sum(below), blocks drawn with replacement."""
    if not len(above) or below.sum() == 0:
        return None
    places = np.unique(blocks, return_inverse=True)[1]
    sums = [np.bincount(places, weights=values) for values in (above, below)]
    return bootstrap(_ratio, *sums, resamples=RESAMPLES)


def _ratio(above: Values, below: Values) -> Values:
    total = below.sum(-1)
    shares: Values = np.divide(
        above.sum(-1), total, out=np.full(total.shape, np.nan), where=total != 0
    )
    return shares


def _wrong_distance(table: pd.DataFrame, side: str) -> float | None:
    """Return the share of the distance, driven at the limit, during which the answer was wrong."""
    step_s = table.groupby('bag')[f'received_ns_{side}'].diff(-1).abs().to_numpy(float) * 1e-9
    step_s = np.minimum(np.nan_to_num(step_s), LONGEST_STEP_S)
    distance = step_s * table[f'speed_limit_percent_{side}'].to_numpy(float)
    right = table[f'right_{side}'].to_numpy(float)
    known = np.isfinite(right)
    total = distance[known].sum()
    return float((distance * (right == 0))[known].sum() / total) if total > 0 else None
