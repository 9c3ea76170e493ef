"""Thresholds for a user's own recordings, chosen offline from one pass at full depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from eevit_ros.errors import EevitError
from eevit_ros.model.all_exits import AllExits
from eevit_ros.model.engine import Engine
from eevit_ros.model.host_policy import OWN
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.policies import STATELESS
from eevit_ros.policies.operating_point import OperatingPoint, operating_point
from eevit_ros.policies.threshold_search import choose_thresholds, exits_taken
from eevit_ros.recordings.open import find_recordings
from eevit_ros.recordings.source import Source
from eevit_ros.recordings.truth import Truth, unknown_classes
from eevit_ros.replay.errors import ReplayError, skipped
from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.running.batch import load_engine

FILE = 'thresholds.yaml'
BLOCK_NS = 10_000_000_000  # neighbouring frames look alike: halves are made of blocks
FEW_FRAMES = 500


@dataclass(frozen=True)
class FullDepthPass:
    """Answers of every exit to every frame whose correctness is known.

    Attributes:
        measure: float32 (E + 1, N), what the model compares with its thresholds.
        right: bool (E + 1, N).
        half: int64 (N,), 0 or 1: half of the recordings, by alternating blocks of time.
        against: Meaning of right, in words.
        problems: What was skipped or looks suspicious, one sentence each.
    """

    measure: npt.NDArray[np.float32]
    right: npt.NDArray[np.bool_]
    half: npt.NDArray[np.int64]
    against: str
    problems: list[str]


@dataclass(frozen=True)
class Proposal:
    """Thresholds, their accuracy and their cost.

    Attributes:
        name: Name in the table.
        thresholds: One value for each early exit.
        point: Accuracy and cost on the frames that they were chosen on.
        checked: Accuracy on the other half, mean of both halves; None where nothing was chosen.
    """

    name: str
    thresholds: tuple[float, ...]
    point: OperatingPoint
    checked: float | None = None


@dataclass(frozen=True)
class Tuning:
    """Result of tuning; the last proposal is the one in the file."""

    file: Path
    against: str
    frames: int
    proposals: list[Proposal]
    problems: list[str]

    def lines(self) -> list[str]:
        """Return a table for the terminal."""
        found = [
            '',
            f'{self.frames} frames, right means: {self.against}',
            '',
            f'  {"":<34}{"right":>8}{"unseen half":>13}{"speed-up in MACs":>18}  thresholds',
        ]
        for one in self.proposals:
            checked = '' if one.checked is None else f'{one.checked:.2%}'
            values = ' '.join(f'{value:g}' for value in one.thresholds)
            found.append(
                f'  {one.name:<34}{one.point.accuracy:>8.2%}{checked:>13}'
                f'{one.point.speedup_macs:>17.2f}x  {values}'
            )
        if self.frames < FEW_FRAMES:
            found.append(f'\n  thresholds chosen on fewer than {FEW_FRAMES} frames promise little')
        return found


def tune_thresholds(
    paths: Sequence[Path],
    options: ReplayOptions,
    *,
    max_drop: float,
    folder: Path,
) -> Tuning:
    """Choose thresholds and write them as a parameter file into `folder`.

    Args:
        paths: Recordings, or folders of them.
        options: Model, images and labels are read of them. Without labels, right means: as at full
            depth.
        max_drop: Share of accuracy that may be given up against full depth.
        folder: Made if missing.

    Raises:
        EevitError: No frame can be used, or an argument or the model is wrong.
    """
    if not 0 <= max_drop < 1:
        raise ReplayError(f'--max-drop must be a share within [0, 1), 0.01 is 1 %. Got {max_drop}')
    settings = options.settings
    if settings.exit_policy != OWN:
        raise ReplayError(
            "thresholds are chosen for the model's own measure: leave exit_policy out. Got "
            f'{settings.exit_policy!r}'
        )
    engine = load_engine(settings)
    meta = engine.metadata
    one_pass = _one_pass(paths, engine, options)
    proposals = [
        _fixed('full depth', (1.0,) * len(meta.exit_layers), one_pass, meta),
        _fixed(
            'as set' if settings.thresholds else "the model's own",
            engine.thresholds,
            one_pass,
            meta,
        ),
        *(
            _chosen(f'at most {drop:.2%} given up', drop, one_pass, meta)
            for drop in (0.0, max_drop / 2, max_drop)
        ),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    tuning = Tuning(
        folder / FILE, one_pass.against, one_pass.right.shape[1], proposals, one_pass.problems
    )
    _write(tuning, meta, engine.sha256, paths)
    return tuning


class _Frame(NamedTuple):
    """Answers of every exit to one frame: (E + 1,) measure and class index."""

    measure: npt.NDArray[np.float32]
    answer: npt.NDArray[np.int64]
    label: str
    half: int


def _one_pass(paths: Sequence[Path], engine: Engine, options: ReplayOptions) -> FullDepthPass:
    settings = options.settings
    model = AllExits(settings.model, threads=settings.compute.threads)
    names = engine.metadata.class_names
    frames: list[_Frame] = []
    labels: set[str] = set()
    problems: list[str] = []
    for path in (found for given in paths for found in find_recordings(given)):
        try:
            source, known = options.open(path)
            _read(source, known, model, engine, frames, labels, problems)
        except OSError:
            raise
        except Exception as err:  # whatever one recording holds, the others are read
            problems.append(skipped(path.resolve().name, err))
    problems += unknown_classes(labels, names)
    if not frames:
        raise ReplayError('\n'.join(['no frame could be read', *problems]))
    return _checked(frames, names, problems)


def _read(
    source: Source,
    known: Truth,
    model: AllExits,
    engine: Engine,
    frames: list[_Frame],
    labels: set[str],
    problems: list[str],
) -> None:
    """Add what a recording holds."""
    bad: list[str] = []
    first_ns = None
    for frame in tqdm(source, total=source.frames, desc=source.name, unit=' frames', disable=None):
        label = known.label(frame)
        labels.add(label)
        try:
            answers = model.answers(frame.decode(engine.input_size))
        except EevitError as err:
            bad.append(f'{source.name}: frame {frame.index} was skipped: {err}')
            continue
        first_ns = frame.received_ns if first_ns is None else first_ns
        half = (frame.received_ns - first_ns) // BLOCK_NS % 2
        frames.append(_Frame(answers.measure, answers.class_index, label, half))
    problems += bad[:1]
    if len(bad) > 1:
        problems.append(f'{source.name}: {len(bad)} frames were skipped in all')
    problems += [*source.problems, *known.problems()]


def _checked(frames: Sequence[_Frame], names: Sequence[str], problems: list[str]) -> FullDepthPass:
    """Compare the answers with the labels, or without any label with those at full depth."""
    measure = np.stack([frame.measure for frame in frames], axis=1)
    answer = np.stack([frame.answer for frame in frames], axis=1)
    half = np.array([frame.half for frame in frames], np.int64)
    labelled = np.array([bool(frame.label) for frame in frames])
    if not labelled.any():
        return FullDepthPass(measure, answer == answer[-1], half, 'as at full depth', problems)
    index_of = {name: index for index, name in enumerate(names)}
    truth = np.array([index_of.get(frame.label, -1) for frame in frames])
    text = 'as the truth' + ('' if labelled.all() else ', of the frames that have one')
    right = (answer == truth)[:, labelled]
    return FullDepthPass(measure[:, labelled], right, half[labelled], text, problems)


def _fixed(
    name: str, thresholds: tuple[float, ...], one_pass: FullDepthPass, meta: ModelMetadata
) -> Proposal:
    return Proposal(name, thresholds, _operating_point(thresholds, one_pass, meta))


def _chosen(name: str, max_drop: float, one_pass: FullDepthPass, meta: ModelMetadata) -> Proposal:
    candidates = STATELESS[meta.policy]().candidates
    thresholds = choose_thresholds(
        one_pass.measure, one_pass.right, meta.macs, max_drop, candidates=candidates
    )
    hits, seen = 0.0, 0
    for half in (0, 1):
        chosen, unseen = one_pass.half == half, one_pass.half != half
        if not (chosen.any() and unseen.any()):
            return Proposal(name, thresholds, _operating_point(thresholds, one_pass, meta))
        there = choose_thresholds(
            one_pass.measure[:, chosen],
            one_pass.right[:, chosen],
            meta.macs,
            max_drop,
            candidates=candidates,
        )
        taken = exits_taken(one_pass.measure[:, unseen], np.array(there, np.float32))
        hits += one_pass.right[:, unseen][taken, np.arange(len(taken))].sum()
        seen += len(taken)
    return Proposal(name, thresholds, _operating_point(thresholds, one_pass, meta), hits / seen)


def _operating_point(
    thresholds: tuple[float, ...], one_pass: FullDepthPass, meta: ModelMetadata
) -> OperatingPoint:
    taken = exits_taken(one_pass.measure, np.array(thresholds, np.float32))
    return operating_point(one_pass.right, taken, meta.answer_layers, meta.macs, meta.backbone_macs)


def _write(tuning: Tuning, meta: ModelMetadata, sha256: str, paths: Sequence[Path]) -> None:
    best = tuning.proposals[-1]
    names = ', '.join(path.resolve().name for path in paths[:10]) + (', ...' if paths[10:] else '')
    checked = '' if best.checked is None else f' ({best.checked:.2%} on the unseen half)'
    tuning.file.write_text(
        f'# Thresholds for {meta.name}, chosen on {tuning.frames} frames of '
        f'{names}:\n'
        f'# {best.point.accuracy:.2%} {tuning.against}{checked}, '
        f'{best.point.speedup_macs:.2f}x fewer MACs than the plain backbone.\n'
        f'/**:\n'
        f'  ros__parameters:\n'
        f'    thresholds: [{", ".join(f"{value:.2f}" for value in best.thresholds)}]\n'
        f'    model_sha256: "{sha256}"  # of another model they say nothing\n',
        'utf-8',
    )
