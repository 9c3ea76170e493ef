"""What every exit of a model file says of every image of a split: computed once, kept on request.

From these, a study of thresholds, classes or confidences is arithmetic and takes no inference.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eevit_ros.model.all_exits import AllExits
from eevit_ros.model.engine import Engine
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.policies import build_policy
from eevit_ros.policies.operating_point import measure_exits
from eevit_ros.policies.threshold_search import exits_taken
from model_export.data import Reading, check_classes, fingerprint, load_split
from model_export.errors import UsageError
from model_export.progress import progress


@dataclass(frozen=True)
class Answers:
    """All exits' answers. E early exits, N images, C classes.

    Attributes:
        probabilities: float32 (E + 1, N, C), calibrated; the final exit's are last.
        labels: int64 (N,), the truth.
        metadata: The model's.
        fingerprint: Identity of the data: split, size, hash of the labels.
    """

    probabilities: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    metadata: ModelMetadata
    fingerprint: str

    @property
    def confidence(self) -> npt.NDArray[np.float32]:
        """Largest probability, float32 (E + 1, N)."""
        return np.asarray(self.probabilities.max(axis=-1), np.float32)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each exit answers each image correctly, bool (E + 1, N)."""
        return np.asarray(self.probabilities.argmax(axis=-1) == self.labels)


def answers(
    model: Path,
    data: Path,
    split: str = 'test',
    limit: int | None = None,
    cache: Path | None = None,
    reading: Reading = Reading(),  # noqa: B008 (frozen)
) -> Answers:
    """Run a model file at full depth on a split and read every exit.

    Args:
        model: The `.onnx` file; it runs on the CPU.
        data: Folder of the data set.
        split: 'test' or 'train'.
        limit: Most images to use, spread over the split; None uses all.
        cache: Folder for a `.npz` file that later calls with the same model and data read instead.
            Made if it is missing.
        reading: How the data are read.

    Raises:
        ModelExportError: The data set has other classes than the model, or `limit` is below 1.
        EevitError: The model cannot be read or run.
    """
    if limit is not None and limit < 1:
        raise UsageError(f'--limit must be at least 1. Got {limit}')
    engine = Engine(model)
    meta = engine.metadata
    dataset = load_split(data, split, meta.input_height, reading)
    check_classes(dataset, meta.class_names, data)
    dataset = dataset.spread(limit or len(dataset))
    known = f'{split}, {fingerprint(dataset)}'
    kept = cache and cache / f'{_key(engine.sha256, known)}.npz'
    probabilities = _read(kept) if kept else None
    if probabilities is None:
        every_exit = AllExits(model, threads=1)
        # One image a core is faster than all cores on one image.
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            found = pool.map(every_exit.probabilities, dataset.images)
            probabilities = np.stack(
                list(progress(found, 'every exit', total=len(dataset))), axis=1
            )
        if kept:
            _keep(kept, probabilities)
    return Answers(probabilities, dataset.labels, meta, known)


@dataclass(frozen=True)
class Leaving:
    """What the robot would answer to N images.

    Attributes:
        exit_index: int64 (N,), E for the final exit.
        layer: int64 (N,), the layer (from 1) after which each image left.
        answer: int64 (N,), the class named.
        confidence: float32 (N,).
        right: bool (N,).
    """

    exit_index: npt.NDArray[np.int64]
    layer: npt.NDArray[np.int64]
    answer: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float32]
    right: npt.NDArray[np.bool_]


def leaving(found: Answers) -> Leaving:
    """Apply the file's policy and thresholds to all exits' probabilities."""
    meta = found.metadata
    measures = measure_exits(build_policy(meta.policy, meta.accuracy), found.probabilities)
    taken = exits_taken(measures.measure, np.array(meta.default_thresholds, np.float32))
    images = np.arange(len(taken))
    answer = measures.answer[taken, images]
    return Leaving(
        exit_index=taken,
        layer=np.array(meta.answer_layers, np.int64)[taken],
        answer=answer,
        confidence=measures.confidence[taken, images],
        right=answer == found.labels,
    )


def _key(sha256: str, known: str) -> str:
    return f'{sha256[:16]}-{hashlib.sha256(known.encode()).hexdigest()[:16]}'


def _read(path: Path) -> npt.NDArray[np.float32] | None:
    try:
        with np.load(path, allow_pickle=False) as file:  # noqa: TID251 - no pickles by default
            return np.asarray(file['probabilities'], np.float32)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None  # not there, or half written by a run that was killed: compute it again


def _keep(path: Path, probabilities: npt.NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix('.partial.npz')
    np.savez(partial, probabilities=probabilities)
    partial.replace(path)
