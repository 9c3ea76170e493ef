"""Superclasses of a data set: CIFAR-100's parquet files name 20 groups of five classes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Groups:
    """Groups of classes: `of` int64 (C,) says which of `names` each class belongs to."""

    names: tuple[str, ...]
    of: npt.NDArray[np.int64]


def superclasses(folder: Path, classes: int) -> Groups | None:
    """Read which superclass each of `classes` belongs to; None if the data do not say.

    They say it in the test parquet files' columns `fine_label` and `coarse_label`.
    """
    import pyarrow.parquet as pq

    of = np.full(classes, -1, np.int64)
    names: list[str] = []
    for path in sorted(folder.glob('test-*.parquet')):
        schema = pq.read_schema(path)
        if not {'fine_label', 'coarse_label'} <= set(schema.names):
            return None
        table = pq.read_table(path, columns=['fine_label', 'coarse_label'])
        fine, coarse = (table[name].to_numpy() for name in ('fine_label', 'coarse_label'))
        of[fine] = coarse
        described = json.loads((schema.metadata or {}).get(b'huggingface', b'{}'))
        features = described.get('info', {}).get('features', {})
        names = features.get('coarse_label', {}).get('names', names)
    if (of < 0).any():
        return None
    return Groups(tuple(names or map(str, range(of.max() + 1))), of)


def thirds(accuracy: npt.NDArray[np.float64]) -> Groups:
    """Return three groups of classes by accuracy (C,), for data without superclasses."""
    rank = np.argsort(np.argsort(accuracy, kind='stable'), kind='stable')
    of = np.asarray(3 * rank // len(accuracy), np.int64)
    return Groups(('least accurate third', 'middle third', 'most accurate third'), of)
