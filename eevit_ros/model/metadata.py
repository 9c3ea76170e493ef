"""The metadata inside a model file.

A model file is one self-contained ONNX file (no external data, opset 20 and IR 10 at most):

    inputs    image          uint8   [1, H, W, 3]   RGB; normalised inside the graph
              thresholds     float32 [E]            the measure of each early exit must exceed them
    outputs   probabilities  float32 [1, C]         calibrated, as the decision used them
              exit_index     int32   [1]            0..E, E = the final classifier

Everything else that the robot needs (class names, layers, resize rule, ...) is `ModelMetadata`, in
the file's metadata entries.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Any

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import ResizeRule
from eevit_ros.model.promise import Promise
from eevit_ros.policies import STATELESS

FORMAT_VERSION = 1
VERSION_KEY = 'eevit_format_version'
TASK_KEY = 'eevit_task'  # only in files of models that do not classify
MAX_LAYERS = 255  # the exit layer is published as std_msgs/UInt8
CONFIDENCE_BINS = 10  # of equal width over [0, 1]; the last one includes 1


@dataclass(frozen=True)
class ModelMetadata:
    """The facts inside a model file. E early exits, L layers, C classes.

    Attributes:
        name: The model's name, for people.
        class_names: C names, by class index.
        exit_layers: Layers that have run at each of the E early exits; rising, 1..L-1.
        layers: L, at most 255.
        input_height: H of the graph's image input, pixels.
        input_width: W of the graph's image input, pixels.
        resize: Rule that turns a frame into (H, W, 3).
        default_thresholds: E thresholds in [0, 1].
        macs: E + 1 counts of multiply-accumulates for a frame leaving there, rejected heads
            included; rising.
        head_macs: E counts of multiply-accumulates, of each exit head alone.
        backbone_macs: Multiply-accumulates of the plain backbone with its final classifier.
        accuracy: E + 1 top-1 shares in [0, 1], of each exit alone on all of `accuracy_data`.
        accuracy_data: The images that `accuracy` was measured on.
        training_data: The images that the model was trained on.
        licence: The file's licence, ingredients named.
        promise: The promise that comes with the calibrated thresholds; None without one.
        calibration_counts: (E + 1) rows of `CONFIDENCE_BINS` counts: how many held-out images left
            at that exit, at the default thresholds, with a confidence in that bin; empty if
            unknown. The robot compares its own answers with them.
        calibration_wrong: How many of `calibration_counts` were wrong; empty in older files.
        degraded_counts: The same counts for copies of these images that were darkened, blurred, or
            robbed of contrast, or that noise was added to; empty in older files.
        degraded_wrong: How many of `degraded_counts` were wrong.
        policy: The measure that the graph compares with the thresholds, one of
            `policies.STATELESS`; 'softmax' in files written before there were others.
        precision: Precision of the matrix products, 'fp32', 'fp16' or 'int8'; 'fp32' in older
            files.
    """

    name: str
    class_names: tuple[str, ...]
    exit_layers: tuple[int, ...]
    layers: int
    input_height: int
    input_width: int
    resize: ResizeRule
    default_thresholds: tuple[float, ...]
    macs: tuple[int, ...]
    head_macs: tuple[int, ...]
    backbone_macs: int
    accuracy: tuple[float, ...]
    accuracy_data: str
    training_data: str
    licence: str
    promise: Promise | None = None
    calibration_counts: tuple[tuple[int, ...], ...] = ()
    calibration_wrong: tuple[tuple[int, ...], ...] = ()
    degraded_counts: tuple[tuple[int, ...], ...] = ()
    degraded_wrong: tuple[tuple[int, ...], ...] = ()
    policy: str = 'softmax'
    precision: str = 'fp32'

    def __post_init__(self) -> None:
        """Check that lengths and values fit together.

        Raises:
            EevitError: One does not; names it.
        """
        exits = len(self.exit_layers)
        _require('name', self.name != '', self.name, 'not be empty')
        _require('class_names', len(self.class_names) >= 2, self.class_names, 'name two or more')
        _require('layers', 2 <= self.layers <= MAX_LAYERS, self.layers, f'be 2..{MAX_LAYERS}')
        _require(
            'exit_layers',
            exits > 0 and _rising((0, *self.exit_layers, self.layers)),
            self.exit_layers,
            f'rise within 1..{self.layers - 1}',
        )
        for name in ('input_height', 'input_width', 'backbone_macs'):
            _require(name, getattr(self, name) >= 1, getattr(self, name), 'be positive')
        _require(
            'default_thresholds',
            len(self.default_thresholds) == exits and _shares(self.default_thresholds),
            self.default_thresholds,
            f'be {exits} values in [0, 1]',
        )
        _require(
            'macs',
            len(self.macs) == exits + 1 and _rising((0, *self.macs)),
            self.macs,
            f'be {exits + 1} rising counts',
        )
        _require(
            'head_macs',
            len(self.head_macs) == exits and all(count >= 0 for count in self.head_macs),
            self.head_macs,
            f'be {exits} counts',
        )
        _require(
            'accuracy',
            len(self.accuracy) == exits + 1 and _shares(self.accuracy),
            self.accuracy,
            f'be {exits + 1} values in [0, 1]',
        )
        for images in ('calibration', 'degraded'):
            counts, wrong = getattr(self, f'{images}_counts'), getattr(self, f'{images}_wrong')
            _require(
                f'{images}_counts',
                counts == () or (_table(counts, exits + 1) and any(map(any, counts))),
                counts,
                f'be empty, or {exits + 1} rows of {CONFIDENCE_BINS} counts, not all 0',
            )
            _require(
                f'{images}_wrong',
                wrong == () or (_table(wrong, exits + 1) and _at_most(wrong, counts)),
                wrong,
                f'be empty, or {exits + 1} rows of {CONFIDENCE_BINS} counts, none above that of '
                f'{images}_counts',
            )
        _require('policy', self.policy in STATELESS, self.policy, f'be one of {tuple(STATELESS)}')

    @cached_property  # every frame asks
    def answer_layers(self) -> tuple[int, ...]:
        """Layers that ran, by exit index 0..E; the last is L."""
        return (*self.exit_layers, self.layers)

    def to_props(self) -> dict[str, str]:
        """Return the ONNX metadata entries: the format version and one JSON value per field."""
        return write_props(asdict(self))

    @classmethod
    def from_props(cls, props: Mapping[str, str]) -> ModelMetadata:
        """Read the entries that `to_props` made.

        Raises:
            EevitError: An entry is missing, unreadable or out of range, the format is newer, or
                the model is for another task than classification.
        """
        if task := props.get(TASK_KEY):
            raise EevitError(
                f'the file holds a model for {_parse(TASK_KEY, task)}, which does not answer with '
                'classes, and only models that classify run here: give a file that '
                '`python -m model_export export` wrote'
            )
        return cls(**read_props(cls, props))


def write_props(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata entries of these fields and of the format version."""
    props = {VERSION_KEY: str(FORMAT_VERSION)}
    for key, value in values.items():
        props[f'eevit_{key}'] = json.dumps(value, ensure_ascii=False)
    return props


def read_props(cls: Any, props: Mapping[str, str]) -> dict[str, Any]:
    """Read the fields of a dataclass that `write_props` wrote.

    Raises:
        EevitError: An entry is missing or unreadable, or the format is newer.
    """
    _check_version(props.get(VERSION_KEY))
    values: dict[str, Any] = {}
    for field in fields(cls):
        key = f'eevit_{field.name}'
        if key in props:
            values[field.name] = _READERS[str(field.type)](key, _parse(key, props[key]))
        elif field.default is MISSING:
            raise EevitError(f'metadata entry {key!r} is missing; export the model again')
    return values


def _check_version(version: str | None) -> None:
    if version is None:
        raise EevitError(
            f'not an eevit_ros model: metadata entry {VERSION_KEY!r} is missing; '
            'give a file that model_export wrote'
        )
    if not re.fullmatch('[1-9][0-9]{0,8}', version):
        raise EevitError(
            f'metadata entry {VERSION_KEY!r} must be a positive number. Got {version!r}'
        )
    if int(version) > FORMAT_VERSION:
        raise EevitError(
            f'model format version {version} is newer than {FORMAT_VERSION}, the newest that this '
            'eevit_ros reads; update eevit_ros or export the model with this version'
        )


def _parse(key: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as err:
        raise EevitError(f'metadata entry {key!r} is no valid JSON. Got {text[:80]!r}') from err


def _reader(what: str, accepts: Callable[[Any], bool], make: Callable[[Any], Any]) -> Any:
    def read(key: str, value: Any) -> Any:
        if not accepts(value):
            raise EevitError(f'metadata entry {key!r} must be {what}. Got {value!r:.80}')
        return make(value)

    return read


def _is(kind: type | tuple[type, ...]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind) and not isinstance(value, bool)


def _all(kind: type | tuple[type, ...]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(_is(kind), value))


def _is_resize(value: Any) -> bool:
    kinds = {key: type(entry) for key, entry in value.items()} if isinstance(value, dict) else {}
    return kinds == {'mode': str, 'interpolation': str, 'antialias': bool}


_READERS = {
    'str': _reader('a string', _is(str), str),
    'float': _reader('a number', _is((int, float)), float),
    'int': _reader('an integer', _is(int), int),
    'tuple[str, ...]': _reader('a list of strings', _all(str), tuple),
    'tuple[int, ...]': _reader('a list of integers', _all(int), tuple),
    'tuple[float, ...]': _reader(
        'a list of numbers', _all((int, float)), lambda value: tuple(map(float, value))
    ),
    'tuple[tuple[int, ...], ...]': _reader(
        'a list of lists of integers',
        lambda value: isinstance(value, list) and all(map(_all(int), value)),
        lambda value: tuple(map(tuple, value)),
    ),
    # Files written before there were promises hold an empty string.
    'Promise | None': _reader(
        'a promise or null',
        lambda value: value in (None, '') or isinstance(value, dict),
        lambda value: Promise.from_dict(value) if value else None,
    ),
    'ResizeRule': _reader(
        'a resize rule (mode, interpolation, antialias)',
        _is_resize,
        lambda value: ResizeRule(**value),
    ),
}


def _require(name: str, holds: bool, value: object, rule: str) -> None:
    if not holds:
        raise EevitError(f'metadata {name!r} must {rule}. Got {value!r:.120}')


def _rising(values: tuple[int, ...]) -> bool:
    return all(low < high for low, high in pairwise(values))


def _shares(values: tuple[float, ...]) -> bool:
    return all(math.isfinite(value) and 0 <= value <= 1 for value in values)


def _table(counts: tuple[tuple[int, ...], ...], rows: int) -> bool:
    shaped = len(counts) == rows and all(len(row) == CONFIDENCE_BINS for row in counts)
    return shaped and min(map(min, counts)) >= 0


def _at_most(some: tuple[tuple[int, ...], ...], of: tuple[tuple[int, ...], ...]) -> bool:
    return len(some) == len(of) and all(
        a <= b
        for row, of_row in zip(some, of, strict=True)
        for a, b in zip(row, of_row, strict=True)
    )
