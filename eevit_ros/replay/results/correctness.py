"""Which answers were right: against the truth, or without one against the full-depth answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from eevit_ros.replay.results.frame_table import ANSWERED

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Correctness:
    """What is known about each row of a frame table.

    Attributes:
        against: 'truth' where any answered frame has one, else 'reference', else ''.
        answered: Rows with an answer.
        right: Rows answered as `against` says.
        wrong: Rows answered otherwise.
    """

    against: str
    answered: Mask
    right: Mask
    wrong: Mask

    @property
    def unknown(self) -> Mask:
        """Answered rows of unknown correctness."""
        return self.answered & ~self.right & ~self.wrong

    @property
    def words(self) -> tuple[str, str]:
        """Names of right and wrong answers."""
        same = ('as at full depth', 'not as at full depth')
        return same if self.against == 'reference' else ('right', 'wrong')


def mark_correct(frames: pd.DataFrame) -> Correctness:
    """Compare the answers with the truth, or without any truth with the full-depth answers."""
    answered = np.asarray(frames['status'] == ANSWERED, np.bool_)
    label = _text(frames, 'label')
    for against in ('truth', 'reference'):
        shown = _text(frames, against)
        known = answered & (shown != '')
        if known.any():
            return Correctness(
                against, answered, known & (label == shown), known & (label != shown)
            )
    none = np.zeros(len(frames), np.bool_)
    return Correctness('', answered, none, none)


def _text(frames: pd.DataFrame, column: str) -> npt.NDArray[np.object_]:
    return np.asarray(frames[column], np.object_)
