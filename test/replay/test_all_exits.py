"""Every exit's answer from one pass, against an engine that is forced to leave there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from demo_frames import BAG, MODEL, every, needs_model

from eevit_ros.engine import Engine
from eevit_ros.replay.all_exits import AllExits
from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.open_source import open_source


@needs_model
def test_every_exit_answers_as_the_engine_that_is_forced_to_leave_there() -> None:
    engine = Engine(MODEL, provider='cpu')
    exits = len(engine.metadata.exit_layers)
    model = AllExits(MODEL, engine)
    before = engine.thresholds
    answers = []
    for frame in every(63, open_source(BAG, None)):
        image = frame.decode()
        found = model.answers(image)
        assert engine.thresholds == before
        assert found.confidence.shape == found.class_index.shape == (exits + 1,)
        for exit_index in range(exits + 1):
            engine.thresholds = [float(i != exit_index) for i in range(exits)]
            result = engine.run(image)
            assert result.exit_index == exit_index
            assert found.confidence[exit_index] == pytest.approx(result.confidence, abs=1e-5)
            assert found.class_index[exit_index] == result.class_index
        engine.thresholds = before
        answers.append(found.class_index)
    assert len(answers) == 6
    assert len(np.unique(answers)) > 1  # else anything would pass


@needs_model
def test_a_model_whose_inner_values_are_not_its_answers_is_refused(tmp_path: Path) -> None:
    engine = Engine(MODEL, provider='cpu')
    # Another model with the same names inside, but not the same weights.
    proto = onnx.load(str(MODEL))
    head = next(one for one in proto.graph.initializer if _is_bias(one, engine))
    values = onnx.numpy_helper.to_array(head).copy()
    values[0] += 50
    head.CopyFrom(onnx.numpy_helper.from_array(values, head.name))
    other = tmp_path / 'other.onnx'
    onnx.save(proto, str(other))
    with pytest.raises(ReplayError, match='other.onnx: exit . answers with .* export the model'):
        AllExits(other, engine)


def test_a_model_without_inner_values_is_refused(tiny_path: Path) -> None:
    with pytest.raises(ReplayError, match='found the probabilities of 0 of 2 exits'):
        AllExits(tiny_path, Engine(tiny_path))


def _is_bias(tensor: onnx.TensorProto, engine: Engine) -> bool:
    return list(tensor.dims) == [len(engine.metadata.class_names)]
