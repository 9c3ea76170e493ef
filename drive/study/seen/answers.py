"""What the network says of every thing in every condition, on a grid of distances.

The last `SIGHT_M` metres before a thing are cut into cells. Each cell has `DRAWS` frames, taken
from its middle, each with a pose and a noise of its own; the camera gets them in turn. Scenery has
one distance. So a model is asked once, and any number of paths can then be driven.

Answers are kept in a file of JSON by model (SHA-256), part and condition. Those of the shipped
model are shipped; those of another are computed and kept in a file of the same form.
"""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from drive.errors import DriveError
from drive.scene.world import SCENERY_M, SIGHT_M
from drive.study.seen.conditions import CONDITIONS, Condition, photograph
from drive.study.seen.pictures import read_pixels
from drive.study.worlds import PARTS, Part
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.perception.perception import Observation, Perception

SHIPPED = Path(__file__).with_name('answers.json')
CELLS = 10
CELL_M = SIGHT_M / CELLS
DRAWS = 2
FIELDS = ('label', 'exit', 'confidence', 'brightness', 'blind', 'contrast')

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Answers:
    """Answers to a part's pictures in one condition. P signs, V pictures of scenery.

    Attributes:
        signs: uint8 (P, CELLS, DRAWS, fields), nearest cell first.
        scenery: uint8 (V, DRAWS, fields).
    """

    signs: Bytes
    scenery: Bytes


def ask(
    engine: Engine, part: Part, condition: Condition, seed: int, cifar: Path | None = None
) -> Answers:
    """Ask a model about all frames of a part in a condition, whose noise has this seed.

    Raises:
        DriveError: `cifar`, a folder, is needed for the part's pictures, see `read_pixels`.
    """
    perception = Perception(engine)
    pictures = {**read_pixels(part.signs, cifar), **read_pixels(part.scenery, cifar)}

    def answer(picture: int, cell: int, distance_m: float, draw: int) -> list[int]:
        rng = np.random.default_rng((3, picture, seed, cell, draw))
        image = photograph(pictures[picture], distance_m, condition, rng)
        return _as_bytes(perception.observe(image), float(image.mean()))

    signs = [
        [
            [answer(picture, cell, (cell + 0.5) * CELL_M, draw) for draw in range(DRAWS)]
            for cell in range(CELLS)
        ]
        for picture in part.signs
    ]
    scenery = [
        [answer(picture, CELLS, SCENERY_M, draw) for draw in range(DRAWS)]
        for picture in part.scenery
    ]
    return Answers(np.array(signs, np.uint8), np.array(scenery, np.uint8))


def _as_bytes(seen: Observation, brightness: float) -> list[int]:
    result = seen.result
    confidence = int(255 * result.confidence)  # downwards: never surer than the answer was
    contrast = round(2 * seen.contrast)  # at most 127.5
    blind = int(seen.blind)
    return [result.class_index, result.exit_index, confidence, round(brightness), blind, contrast]


class AnswerFile:
    """Answers of one model, in a file; those of the shipped file are there from the start."""

    def __init__(self, path: Path, sha256: str) -> None:
        """Read what there is of the model of this SHA-256; `path` need not exist.

        Raises:
            DriveError: A file is damaged.
        """
        self._path, self._sha256 = path, sha256
        self._entries: dict[str, Any] = {}
        for file in (SHIPPED, path):
            if file.is_file():
                self._entries |= _read(file, sha256)

    def get(self, part: str, condition: str) -> Answers | None:
        """Return the answers, if they are there."""
        entry = self._entries.get(_key(part, condition))
        if entry is None:
            return None
        shapes = _shapes(part)
        sizes = [int(np.prod(shape)) for shape in shapes]
        data = np.frombuffer(zlib.decompress(base64.b64decode(entry)), np.uint8)
        if len(data) != sum(sizes):
            raise DriveError(f'{self._path}: damaged; delete it')
        signs, scenery = data[: sizes[0]], data[sizes[0] :]
        return Answers(signs.reshape(shapes[0]), scenery.reshape(shapes[1]))

    def has(self, part: str) -> bool:
        """Whether the answers to a part are there in all conditions."""
        return all(_key(part, condition) in self._entries for condition in CONDITIONS)

    def put(self, part: str, condition: str, answers: Answers) -> None:
        """Keep answers, in the file too."""
        data = answers.signs.tobytes() + answers.scenery.tobytes()
        self._entries[_key(part, condition)] = base64.b64encode(zlib.compress(data, 9)).decode()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({'model': self._sha256, 'answers': self._entries}, indent=0)
        self._path.write_text(text + '\n')


def read_answers(
    model: Path,
    sha256: str,
    part: str,
    *,
    cache: Path,
    cifar: Path | None,
    processes: int,
    show: Callable[[float], None],
) -> Mapping[str, Answers]:
    """Return the answers to a part by condition, computing those that are missing.

    Args:
        model: Model file.
        sha256: Its SHA-256 (hexadecimal).
        part: Of `PARTS`.
        cache: File to keep computed answers in.
        cifar: Folder of CIFAR-100, see `read_pixels`; None if it is not there.
        processes: That compute side by side, each on one core.
        show: Called with the share of conditions that are done, 0..1.

    Raises:
        DriveError: Pictures are missing, or a file is damaged.
    """
    file = AnswerFile(cache, sha256)
    missing = [name for name in CONDITIONS if file.get(part, name) is None]
    if missing:
        numbers = [list(CONDITIONS).index(name) for name in missing]
        conditions = [CONDITIONS[name] for name in missing]
        # Spawned: a fork would inherit the locks of ONNX Runtime's threads.
        with ProcessPoolExecutor(
            processes, multiprocessing.get_context('spawn'), _open, (model,)
        ) as pool:
            parts, folders = [PARTS[part]] * len(missing), [cifar] * len(missing)
            found = pool.map(_ask, parts, conditions, numbers, folders)
            for number, (name, answers) in enumerate(zip(missing, found, strict=True), 1):
                file.put(part, name, answers)
                show(number / len(missing))
    found_all = {name: file.get(part, name) for name in CONDITIONS}
    return {name: answers for name, answers in found_all.items() if answers is not None}


_engine: Engine  # of this process


def _open(model: Path) -> None:
    global _engine
    cv2.setNumThreads(1)
    _engine = Engine(model, compute=Compute(provider='cpu', threads=1))


def _ask(part: Part, condition: Condition, seed: int, cifar: Path | None) -> Answers:
    return ask(_engine, part, condition, seed, cifar)


def _read(file: Path, sha256: str) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text())
        entries: dict[str, Any] = data['answers']
        return entries if data['model'] == sha256 else {}
    except (ValueError, KeyError, TypeError) as err:
        raise DriveError(f'{file}: damaged ({err}); delete it') from err


def _key(part: str, condition: str) -> str:
    """Return the name of an entry: another grid, picture or condition has another one."""
    scene = (CONDITIONS[condition], PARTS[part].signs, PARTS[part].scenery, CELLS, DRAWS, FIELDS)
    return f'{part}, {condition}: {hashlib.sha256(repr(scene).encode()).hexdigest()[:16]}'


def _shapes(part: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    signs, scenery = len(PARTS[part].signs), len(PARTS[part].scenery)
    return (signs, CELLS, DRAWS, len(FIELDS)), (scenery, DRAWS, len(FIELDS))
