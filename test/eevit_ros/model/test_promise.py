"""What a file promises, and when it does not hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from eevit_ros.errors import EevitError
from eevit_ros.model.engine import Engine
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.model.promise import Promise
from harness.tiny_model import tiny_metadata, write_tiny_model

PROMISE = Promise('accuracy_gap', 0.02, 0.05, 2500, '0123456789abcdef', 'softmax')
IN_WORDS = (
    'early exits cost at most 2.00% of accuracy on data like the calibration, with 0.95 confidence '
    '(2500 images)'
)


def test_the_promise_is_that_of_the_files_thresholds(tmp_path: Path) -> None:
    props = replace(tiny_metadata(), promise=PROMISE).to_props()
    engine = Engine(write_tiny_model(tmp_path / 'tiny.onnx', props=props))
    assert engine.metadata.promise == PROMISE
    assert engine.promise == IN_WORDS
    engine.thresholds = 0.7
    assert engine.promise.startswith('does not hold: lower thresholds')
    engine.thresholds = 0.9
    assert engine.promise.startswith('does not hold: other thresholds')
    engine.thresholds = 0.8
    assert engine.promise == IN_WORDS


def test_a_file_without_one_promises_nothing(tmp_path: Path) -> None:
    assert Engine(write_tiny_model(tmp_path / 'tiny.onnx'), thresholds=0.1).promise == 'none'


@pytest.mark.parametrize(
    ('field', 'bad'),
    [
        ('kind', 'everything'),
        ('epsilon', 0.0),
        ('epsilon', 2.0),
        ('delta', float('nan')),
        ('samples', 0),
        ('calibration_hash', 'ABC'),
    ],
)
def test_what_is_no_promise_is_refused_by_name(field: str, bad: object) -> None:
    with pytest.raises(EevitError, match=f"'promise': {field} must .* Got "):
        replace(PROMISE, **{field: bad})


def test_a_promise_that_lacks_something_is_refused() -> None:
    props = tiny_metadata().to_props()
    props['eevit_promise'] = '{"kind": "accuracy_gap"}'
    with pytest.raises(EevitError, match="'promise' must have .*'epsilon'"):
        ModelMetadata.from_props(props)
