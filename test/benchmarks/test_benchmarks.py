"""What benchmarks compute from what they measured; measuring itself is not tested here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from benchmarks.beside_eevit import forced_by_input
from benchmarks.eevit.one_round import milliwatts
from benchmarks.eevit.rounds import LAYERS, PERCENT, Side, tables, time_tables
from test.documents.pages import ROOT


def test_the_shares_are_whole() -> None:
    assert sum(PERCENT.values()) == pytest.approx(100)


def test_ratios_compare_the_processes_of_one_round() -> None:
    """The machine is twice as slow in each round as in the one before; the ratio is not."""
    sides = [Side(name, name, ROOT / 'README.md') for name in ('peer', 'single', 'plain')]
    speed = {'peer': 10.0, 'single': 5.0, 'plain': 8.0}
    found = {
        name: [
            {
                'load_s': ms, 'load_cpu_s': ms, 'rss_mb': 100 * ms, 'peak_mb': 110 * ms,
                'ms': {layer: ms * layer * 2**number for layer in PERCENT},
            }
            for number in range(4)
        ]
        for name, ms in speed.items()
    }  # fmt: skip
    times, to_peer, to_plain, loading = tables(sides, found)
    assert [row[0] for row in times.rows] == [*map(str, PERCENT), 'weighted', 'plain']
    for row in to_peer.rows:
        assert row[1:] == pytest.approx([0.5, 0.5, 0.5])
    assert to_plain.rows[0][1] == pytest.approx(5 / 8)
    assert loading.rows[1][2:7] == pytest.approx([5, 500, 550, 1.1, 0.5])
    without_peer = tables(sides[1:], {name: found[name] for name in ('single', 'plain')})
    assert [table.title for table in without_peer] == [times.title, to_plain.title, loading.title]
    assert LAYERS == 12
    busy = {**found, 'single': found['peer']}
    _, to_peer, to_plain = time_tables(found, busy)
    assert [row[1] for row in to_peer.rows[-2:]] == pytest.approx([0.5, 1])
    assert [row[1] for row in to_plain.rows] == pytest.approx([5 / 8, 10 / 8])


def test_a_bias_of_the_peer_s_exits_can_be_given_at_run_time(tmp_path: Path) -> None:
    name = 'transformer.layers.3.highway.classifier.classifier.bias'
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node('Add', ['image', name], ['out'])],
        'exit',
        [value('image', onnx.TensorProto.FLOAT, [2])],
        [value('out', onnx.TensorProto.FLOAT, [2])],
        [onnx.numpy_helper.from_array(np.ones(2, np.float32), name)],
    )
    opset = [onnx.helper.make_opsetid('', 20)]
    onnx.save(onnx.helper.make_model(graph, ir_version=10, opset_imports=opset), tmp_path / 'a')
    forced_by_input(tmp_path / 'a', tmp_path / 'b')
    session = onnxruntime.InferenceSession(tmp_path / 'b', providers=['CPUExecutionProvider'])
    assert [bias.name for bias in session.get_overridable_initializers()] == [name]
    feed = {'image': np.zeros(2, np.float32)}
    assert session.run(None, feed)[0].tolist() == [1, 1]
    assert session.run(None, {**feed, name: np.full(2, 5, np.float32)})[0].tolist() == [5, 5]


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        ('RAM 1/7MB cpu@46C VDD_IN 4932mW/4900mW VDD_CPU_GPU_CV 483mW/483mW', 4932),  # Orin Nano
        ('VDD_GPU_SOC 2410mW/2400mW VDD_CPU_CV 481mW/480mW VIN_SYS_5V0 3333mW/3300mW', 6224),  # AGX
        ('RAM 2452/7620MB (lfb 4x4MB) SWAP 0/3810MB', None),
    ],
)
def test_power_is_the_whole_board_s(line: str, expected: float | None) -> None:
    assert milliwatts(line) == expected
