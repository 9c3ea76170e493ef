"""Heads cut out of a file, times by group, intervals and the warm-up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from eevit_ros.errors import EevitError
from eevit_ros.model.engine import Engine, forcing
from harness.paths import ROOT
from model_export.errors import ModelExportError
from model_export.measuring.timing import frame
from model_export.studies.latency.cold_start import ColdStart, cold_start
from model_export.studies.latency.headless import write_headless
from model_export.studies.latency.study import by_exit, by_group, head_kinds

MODEL = ROOT / 'models' / 'eevit_s14_cifar100.onnx'
LAYERS, KINDS = (2, 3, 5, 6), ('lph', 'lph', 'gah')


@pytest.fixture(scope='module')
def headless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('headless') / 'bare.onnx'
    write_headless(MODEL, path)
    return path


def test_a_file_without_heads_is_the_same_backbone(headless: Path) -> None:
    whole, bare = Engine(MODEL), Engine(headless)
    picture = frame(whole)
    exits = len(whole.metadata.exit_layers)
    for exit_index in (0, exits - 1):
        bare.thresholds = forcing(exit_index, exits)
        assert bare.run(picture).exit_index == exit_index
    whole.thresholds = bare.thresholds = 1.0
    np.testing.assert_array_equal(whole.run(picture).probabilities, bare.run(picture).probabilities)


def test_no_weight_of_a_head_is_left(headless: Path) -> None:
    def names(path: Path) -> set[str]:
        return {one.name for one in onnx.load(str(path)).graph.initializer}

    assert any('heads.' in name for name in names(MODEL))
    assert not any('heads.' in name for name in names(headless))


def test_another_graph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'other.onnx'
    node = onnx.helper.make_node('Identity', ['x'], ['y'])
    ends = [onnx.helper.make_tensor_value_info(name, 1, [1]) for name in 'xy']
    graph = onnx.helper.make_graph([node], 'other', ends[:1], ends[1:])
    onnx.save(onnx.helper.make_model(graph), str(path))
    with pytest.raises(ModelExportError, match=r'other\.onnx: expected one If an exit'):
        write_headless(path, tmp_path / 'out.onnx')
    path.write_bytes(b'no protobuf at all')
    with pytest.raises(EevitError, match=r'other\.onnx: truncated or no ONNX model'):
        write_headless(path, tmp_path / 'out.onnx')


def made_up_times() -> npt.NDArray[np.float64]:
    """Layers of 10 ms, LPHs of 3, a GAH of 2, under a load that differs from round to round."""
    bare = np.array([20.0, 30.0, 50.0, 54.0])
    full = bare + [3.0, 6.0, 8.0, 8.0]
    load = np.array([0.0, 100.0, 50.0, 7.0, 900.0, 1.0, 3.0])
    return np.stack([full + load[:, None], bare + load[:, None]], axis=1)


def test_layers_and_heads_are_told_apart_under_load() -> None:
    table = by_group(made_up_times(), LAYERS, KINDS)
    found = {row[0]: row[1:3] for row in table.rows}
    # The load before the first exit is that of both forms, so it is in no difference.
    assert found == {
        'layer without a head': (3, 10.0),
        'lph alone': (2, 3.0),
        'layer with lph': (2, 13.0),
        'gah alone': (1, 2.0),
        'layer with gah': (1, 12.0),
    }
    assert {row[0]: row[-1] for row in table.rows}['lph alone'] == pytest.approx(0.3)


def test_a_row_an_exit_and_no_head_at_the_last() -> None:
    rows = by_exit(made_up_times(), LAYERS, KINDS).rows
    assert [row[0] for row in rows] == [2, 3, 5, 6]
    assert [row[1] for row in rows] == [*KINDS, 'final classifier']
    assert rows[-1][-1] == '' and rows[2][-1] == '2.00 (2.00 to 2.00)'


def test_kinds_of_heads_come_from_the_weights_that_fit() -> None:
    recipe = ROOT / 'config' / 'recipes' / 'cifar100_vit_s14.yaml'
    assert head_kinds(None, (1, 2)) == ('head', 'head')
    assert set(head_kinds(recipe, tuple(range(3, 11)))) == {'lph', 'gah'}
    with pytest.raises(ModelExportError, match='give the weights that it was exported from'):
        head_kinds(recipe, (1, 2))


def test_runs_until_warm() -> None:
    assert ColdStart(0, 0, 90.0, [50.0, 20.0, 11.0] + [10.0] * 30).runs_until_warm() == 2
    assert ColdStart(0, 0, 10.0, [10.0] * 30).runs_until_warm() == 0


def test_a_cold_start_is_measured_in_another_process() -> None:
    wall, cpu = cold_start(MODEL, 6)
    assert len(wall.runs_ms) == len(cpu.runs_ms) == 6
    assert all(ms > 0 for ms in (wall.import_ms, wall.session_ms, wall.first_ms, *wall.runs_ms))
    assert cpu.session_ms > cpu.steady_ms  # reading and packing all weights takes longer than a run
    with pytest.raises(ModelExportError, match='does not exist'):
        cold_start(MODEL.with_name('nowhere.onnx'), 1)
