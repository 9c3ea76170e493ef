"""Every exit's answer from one pass, against an engine that is forced to leave there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eevit_ros.errors import EevitError
from eevit_ros.model.all_exits import AllExits
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine, forcing
from eevit_ros.recordings.open import open_source
from test.eevit_ros.replay.demo_frames import BAG, MODEL, every, needs_model


@needs_model
def test_every_exit_answers_as_the_engine_that_is_forced_to_leave_there() -> None:
    engine = Engine(MODEL, compute=Compute(provider='cpu'))
    exits = len(engine.metadata.exit_layers)
    model = AllExits(MODEL)
    before = engine.thresholds
    answers = []
    for frame in every(63, open_source(BAG, None)):
        image = frame.decode()
        found = model.answers(image)
        assert engine.thresholds == before
        assert found.confidence.shape == found.class_index.shape == (exits + 1,)
        for exit_index in range(exits + 1):
            engine.thresholds = forcing(exit_index, exits)
            result = engine.run(image)
            assert result.exit_index == exit_index
            assert found.confidence[exit_index] == pytest.approx(result.confidence, abs=1e-5)
            assert found.class_index[exit_index] == result.class_index
        engine.thresholds = before
        answers.append(found.class_index)
    assert len(answers) == 6
    assert len(np.unique(answers)) > 1  # else anything would pass


def test_a_file_that_is_no_model_is_refused_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / 'other.onnx'
    file.write_bytes(b'no model')
    with pytest.raises(EevitError, match='other.onnx: '):
        AllExits(file)
