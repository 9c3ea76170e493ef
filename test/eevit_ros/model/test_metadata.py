"""Metadata in and out of a model file, and every way in which a file can be wrong."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import ResizeRule
from eevit_ros.model import check as model_check
from eevit_ros.model.check import ModelFile
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.model.metadata import CONFIDENCE_BINS, ModelMetadata
from eevit_ros.model.promise import Promise
from harness.paths import ROOT
from harness.tiny_model import tiny_metadata, write_tiny_model

names = st.text(min_size=1, max_size=12)


def answer_counts(rows: int) -> st.SearchStrategy[tuple[tuple[int, ...], ...]]:
    """Any table of counts that are not all 0."""
    row = st.tuples(*[st.integers(0, 9999)] * CONFIDENCE_BINS)
    return st.tuples(*[row] * rows).filter(lambda table: any(map(any, table)))


def promises() -> st.SearchStrategy[Promise]:
    """Any promise."""
    share = st.floats(0.001, 0.999)
    return st.builds(
        Promise,
        st.just('accuracy_gap'),
        share,
        share,
        st.integers(1, 10**6),
        st.text('0123456789abcdef', min_size=16, max_size=16),
        st.sampled_from(['softmax', 'entropy', 'margin']),
    )


@st.composite
def metadata(draw: st.DrawFn) -> ModelMetadata:
    """Any consistent metadata."""
    layers = draw(st.integers(2, 255))
    exits = sorted(draw(st.sets(st.integers(1, layers - 1), min_size=1, max_size=12)))
    count = len(exits)
    shares = st.floats(0, 1)
    clean, degraded = (draw(st.just(()) | answer_counts(count + 1)) for _ in range(2))
    return ModelMetadata(
        name=draw(names),
        class_names=tuple(draw(st.lists(names, min_size=2, max_size=9))),
        exit_layers=tuple(exits),
        layers=layers,
        input_height=draw(st.integers(1, 999)),
        input_width=draw(st.integers(1, 999)),
        resize=ResizeRule(
            draw(st.sampled_from(['stretch', 'center_crop', 'letterbox'])),
            draw(st.sampled_from(['linear', 'cubic'])),
            draw(st.booleans()),
        ),
        default_thresholds=tuple(draw(st.lists(shares, min_size=count, max_size=count))),
        macs=tuple(sorted(draw(st.sets(st.integers(1), min_size=count + 1, max_size=count + 1)))),
        head_macs=tuple(draw(st.lists(st.integers(0), min_size=count, max_size=count))),
        backbone_macs=draw(st.integers(1)),
        accuracy=tuple(draw(st.lists(shares, min_size=count + 1, max_size=count + 1))),
        accuracy_data=draw(st.text()),
        training_data=draw(st.text()),
        licence=draw(st.text()),
        promise=draw(st.none() | promises()),
        calibration_counts=clean,
        calibration_wrong=draw(st.sampled_from([(), clean])),
        degraded_counts=degraded,
        degraded_wrong=draw(st.sampled_from([(), degraded])),
        policy=draw(st.sampled_from(['softmax', 'entropy', 'margin'])),
    )


# No time limits: a busy machine is no fault of the code.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(metadata())
def test_metadata_survive_the_way_through_the_file_entries(written: ModelMetadata) -> None:
    props = written.to_props()
    assert all(isinstance(value, str) for value in props.values())
    assert ModelMetadata.from_props(props) == written


def test_the_file_says_what_the_metadata_said(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / 'tiny.onnx', classes=5, exit_layers=(2, 4, 5), layers=7)
    assert Engine(model).metadata == tiny_metadata(classes=5, exit_layers=(2, 4, 5), layers=7)


def test_answer_layers_end_with_the_last_layer() -> None:
    assert tiny_metadata(exit_layers=(1, 2), layers=4).answer_layers == (1, 2, 4)


@pytest.mark.parametrize(
    ('field', 'bad'),
    [
        ('name', ''),
        ('class_names', ('only one',)),
        ('layers', 256),
        ('exit_layers', ()),
        ('exit_layers', (0, 2)),
        ('exit_layers', (2, 2)),
        ('exit_layers', (2, 4)),
        ('input_height', 0),
        ('input_width', -1),
        ('backbone_macs', 0),
        ('default_thresholds', (0.5,)),
        ('default_thresholds', (0.5, 1.1)),
        ('default_thresholds', (0.5, math.nan)),
        ('macs', (1000, 2000)),
        ('macs', (1000, 3000, 2000)),
        ('head_macs', (1,)),
        ('head_macs', (1, -1)),
        ('accuracy', (0.1, 0.2)),
        ('accuracy', (0.1, 0.2, 80.0)),
        ('accuracy', (0.1, 0.2, math.nan)),
        ('calibration_counts', ((1,) * 10,) * 2),
        ('calibration_counts', ((1,) * 9,) * 3),
        ('calibration_counts', ((1,) * 10, (1,) * 10, (-1,) * 10)),
        ('calibration_counts', ((0,) * 10,) * 3),
        ('calibration_wrong', ((99,) * 10,) * 3),
        ('degraded_counts', ((0,) * 10,) * 3),
        ('degraded_wrong', ((0,) * 10,) * 3),
        ('policy', 'patience'),
    ],
)
def test_inconsistent_metadata_are_refused_by_field(field: str, bad: object) -> None:
    with pytest.raises(EevitError, match=f"metadata '{field}' must .* Got "):
        replace(tiny_metadata(), **{field: bad})


OPTIONAL = {
    'eevit_promise': None,
    'eevit_calibration_counts': (),
    'eevit_calibration_wrong': (),
    'eevit_degraded_counts': (),
    'eevit_degraded_wrong': (),
    'eevit_policy': 'softmax',
    'eevit_precision': 'fp32',
}


@pytest.mark.parametrize('key', sorted(set(tiny_metadata().to_props()) - set(OPTIONAL)))
def test_a_missing_entry_is_named(key: str) -> None:
    props = tiny_metadata().to_props()
    del props[key]
    with pytest.raises(EevitError, match=f'{key}.*is missing'):
        ModelMetadata.from_props(props)


@pytest.mark.parametrize(('key', 'value'), OPTIONAL.items())
def test_entries_that_older_files_lack_have_defaults(key: str, value: object) -> None:
    props = tiny_metadata().to_props()
    del props[key]
    assert getattr(ModelMetadata.from_props(props), key[len('eevit_') :]) == value


def test_the_promise_of_older_files_is_none() -> None:
    props = {**tiny_metadata().to_props(), 'eevit_promise': '""'}
    assert ModelMetadata.from_props(props).promise is None


@pytest.mark.parametrize(
    ('key', 'text'),
    [
        ('eevit_name', 'tiny'),
        ('eevit_name', '7'),
        ('eevit_layers', '4.0'),
        ('eevit_layers', 'true'),
        ('eevit_class_names', '["a", 2]'),
        ('eevit_class_names', '"ab"'),
        ('eevit_exit_layers', '[1, true]'),
        ('eevit_macs', '{}'),
        ('eevit_accuracy', '["0.5"]'),
        ('eevit_resize', '{"mode": "stretch"}'),
        ('eevit_resize', '{"mode": [], "interpolation": {}, "antialias": 1}'),
        ('eevit_resize', '[]'),
        ('eevit_calibration_counts', '[1, 2]'),
        ('eevit_calibration_counts', '[[0.5]]'),
        ('eevit_policy', '7'),
        ('eevit_promise', '"for ever"'),
        ('eevit_format_version', ''),
        ('eevit_format_version', '0'),
        ('eevit_format_version', '1.5'),
        ('eevit_format_version', '99999999999'),
    ],
)
def test_an_unreadable_entry_is_named(key: str, text: str) -> None:
    with pytest.raises(EevitError, match=f"'{key}'"):
        ModelMetadata.from_props({**tiny_metadata().to_props(), key: text})


def test_a_newer_format_says_what_to_do(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / 'new.onnx', props={'eevit_format_version': '2'})
    with pytest.raises(
        EevitError, match='new.onnx: model format version 2 is newer than 1.*update'
    ):
        Engine(model)


# Files that are no model -------------------------------------------------------------------------


def test_a_model_that_does_not_classify_is_refused() -> None:
    props = {**tiny_metadata().to_props(), 'eevit_task': '"regression"'}
    with pytest.raises(EevitError, match='a model for regression, which does not answer with cl'):
        ModelMetadata.from_props(props)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EevitError, match='gone.onnx: the model file does not exist'):
        Engine(tmp_path / 'gone.onnx')


def test_a_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(EevitError, match=f'{tmp_path}: is a directory'):
        Engine(tmp_path)


def test_a_path_through_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(b'x')
    with pytest.raises(EevitError, match='model.onnx: the model file cannot be read'):
        Engine(tmp_path / 'file' / 'model.onnx')


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / 'empty.onnx').touch()
    with pytest.raises(EevitError, match='empty.onnx: the model file is empty'):
        Engine(tmp_path / 'empty.onnx')


@pytest.mark.parametrize('share', [0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    whole = write_tiny_model(tmp_path / 'whole.onnx').read_bytes()
    part = tmp_path / 'part.onnx'
    part.write_bytes(whole[: max(1, int(share * len(whole)))])
    with pytest.raises(EevitError, match='part.onnx: '):
        Engine(part)


def test_a_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'cat.png'
    assert cv2.imwrite(str(path), np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(EevitError, match='cat.png: truncated or no ONNX model'):
        Engine(path)


def nested(content: bytes, *numbers: int) -> bytes:
    """Wrap a message in others, the field numbers from the outside in."""
    for number in reversed(numbers):
        size, head = len(content), bytearray([number << 3 | 2])
        while size >= 0x80:
            head.append(size & 0x7F | 0x80)
            size >>= 7
        content = bytes([*head, size]) + content
    return content


@pytest.mark.parametrize(
    'data',
    [
        pytest.param(b'\x3a' + b'\xff' * 9 + b'\x7f', id='a graph of 2**70 bytes'),
        pytest.param(b'\x3a' + b'\xff' * 10 + b'\x01', id='a length that does not end'),
        pytest.param(nested(b'\x42\x7f', 7, 5), id='a name that leaves its tensor'),
        pytest.param(nested(b'\x0b\x0c', 7), id='a group'),
        pytest.param(nested(b'\x09\x00', 7), id='half a number'),
    ],
)
def test_what_protobuf_does_not_take_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / 'odd.onnx'
    path.write_bytes(data)
    with pytest.raises(EevitError, match='odd.onnx: truncated or no ONNX model'):
        ModelFile(path)


@pytest.mark.parametrize('execution', ['single', 'staged'])
def test_branches_within_branches_without_end_are_refused(tmp_path: Path, execution: str) -> None:
    path = tmp_path / 'deep.onnx'
    path.write_bytes(nested(b'', *(7, *(1, 5, 6) * 2000)))
    with pytest.raises(EevitError, match='deep.onnx: '):
        Engine(path, compute=Compute(execution=execution))


def other_model(opset: int = 20, ir: int = 10, external: bool = False) -> onnx.ModelProto:
    """Return somebody's ONNX model, y = x + w, that is none of ours."""
    weights = numpy_helper.from_array(np.ones((2, 3), np.float32), 'w')
    if external:
        onnx.external_data_helper.set_external_data(weights, 'weights.bin')
    graph = helper.make_graph(
        [helper.make_node('Add', ['x', 'w'], ['y'])],
        'other',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, [2, 3])],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)], ir_version=ir)


def test_somebody_elses_onnx_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'other.onnx'
    path.write_bytes(other_model().SerializeToString())
    with pytest.raises(EevitError, match='other.onnx: not an eevit_ros model'):
        Engine(path)


@pytest.mark.parametrize(('opset', 'ir'), [(999, 10), (20, 999)])
def test_a_model_for_a_newer_onnx_runtime_is_refused(tmp_path: Path, opset: int, ir: int) -> None:
    path = tmp_path / 'new.onnx'
    path.write_bytes(other_model(opset, ir).SerializeToString())
    with pytest.raises(EevitError, match='new.onnx: .*made for another ONNX Runtime.*999'):
        Engine(path)


@pytest.mark.parametrize('folder', ['', 'a' * 100 + '/' + 'b' * 100 + '/'])
def test_weights_in_other_files_are_refused_even_where_they_could_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    path = tmp_path / 'split.onnx'
    model = other_model()
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    onnx.save_model(
        model, path, save_as_external_data=True, location=folder + 'w.bin', size_threshold=0
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EevitError, match='split.onnx: keeps weights in other files'):
        Engine(path)


def test_external_weights_inside_an_if_are_found(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'tiny.onnx')
    model = onnx.load(path)
    branch = next(node for node in model.graph.node if node.op_type == 'If').attribute[1].g
    branch.initializer.append(other_model(external=True).graph.initializer[0])
    path.write_bytes(model.SerializeToString())
    with pytest.raises(EevitError, match='keeps weights in other files'):
        ModelFile(path)


def hostile(kind: str) -> bytes:
    """A model whose weights lie elsewhere, told in another way than `onnx` writes it."""
    model = other_model(external=True)
    tensor = model.graph.initializer[0]
    if kind == 'location is not the first key':
        tensor.external_data.insert(0, onnx.StringStringEntryProto(key='offset', value='0'))
    elif kind == 'data_location alone':
        del tensor.external_data[:]
    elif kind == 'an address in memory':
        tensor.external_data[0].value = '*/_ORT_MEM_ADDR_/*'
        tensor.data_location = TensorProto.DEFAULT
    elif kind == 'a long path':
        tensor.external_data[0].value = 'a/' * 20_000
    elif kind == 'an attribute':
        model.graph.node.append(helper.make_node('Constant', [], ['c'], value=tensor))
        del model.graph.initializer[:]
    elif kind == 'sparse':
        model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=tensor, dims=[6]))
        del model.graph.initializer[:]
    elif kind == 'a function':
        node = helper.make_node('Constant', [], ['c'], value=tensor)
        opsets = [helper.make_opsetid('', 20)]
        model.functions.append(helper.make_function('own', 'f', [], ['c'], [node], opsets))
        del model.graph.initializer[:]
    elif kind == 'training':
        model.training_info.add().algorithm.initializer.append(tensor)
        del model.graph.initializer[:]
    else:  # protobuf merges two graphs into one
        return (
            other_model().SerializeToString()
            + onnx.ModelProto(graph=onnx.GraphProto(initializer=[tensor])).SerializeToString()
        )
    return model.SerializeToString()


@pytest.mark.parametrize(
    'kind',
    [
        'location is not the first key',
        'data_location alone',
        'an address in memory',
        'a long path',
        'an attribute',
        'sparse',
        'a function',
        'training',
        'a second graph',
    ],
)
def test_external_weights_are_found_wherever_they_hide(tmp_path: Path, kind: str) -> None:
    path = tmp_path / 'hostile.onnx'
    path.write_bytes(hostile(kind))
    with pytest.raises(EevitError, match='keeps weights in other files'):
        ModelFile(path)


@pytest.mark.parametrize('make', [os.mkfifo, lambda path: path.symlink_to('/dev/zero')])
def test_a_pipe_or_device_is_neither_waited_for_nor_read(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / 'endless.onnx'
    make(path)
    with pytest.raises(EevitError, match='endless.onnx: not a regular file'):
        ModelFile(path)


def test_a_file_larger_than_any_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tiny_model(tmp_path / 'tiny.onnx')
    monkeypatch.setattr(model_check, 'MAX_BYTES', path.stat().st_size)
    assert ModelFile(path)
    monkeypatch.setattr(model_check, 'MAX_BYTES', path.stat().st_size - 1)
    with pytest.raises(EevitError, match='tiny.onnx: the model file has [0-9]+ bytes, more than'):
        ModelFile(path)


def test_only_the_file_of_the_given_hash_is_opened(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'tiny.onnx')
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert Engine(path, sha256=found.upper()).sha256 == found
    with pytest.raises(EevitError, match=f'tiny.onnx: is not the model .* SHA-256 is {found}, not'):
        Engine(path, sha256='0' * 64)


def test_a_tensor_that_says_it_lies_here_is_no_external_data(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'tiny.onnx')
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        tensor.data_location = TensorProto.DEFAULT
    path.write_bytes(model.SerializeToString())
    assert ModelFile(path).read() == path.read_bytes()


def test_a_metadata_entry_called_location_is_no_external_data(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'tiny.onnx', props={'location': 'Lund'})
    assert ModelFile(path).read() == path.read_bytes()


# Metadata against the graph ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ('props', 'complaint'),
    [
        (
            {'eevit_input_height': '48'},
            r"input 'image' must be .*\[1, 48, 32, 3\].*\[1, 32, 32, 3\]",
        ),
        ({'eevit_input_width': '16'}, r"input 'image' must be .*\[1, 32, 16, 3\]"),
        (
            {
                'eevit_exit_layers': '[1]',
                'eevit_default_thresholds': '[0.5]',
                'eevit_macs': '[1, 2]',
                'eevit_head_macs': '[1]',
                'eevit_accuracy': '[0, 1]',
                'eevit_calibration_counts': '[]',
            },
            r"input 'thresholds' must be .*\[1\] .*\[2\]",
        ),
        (
            {'eevit_class_names': '["a", "b"]'},
            r"output 'probabilities' must be .*\[1, 2\].*\[1, 3\]",
        ),
    ],
)
def test_metadata_that_do_not_fit_the_graph_are_refused(
    tmp_path: Path, props: dict[str, str | None], complaint: str
) -> None:
    with pytest.raises(EevitError, match=complaint):
        Engine(write_tiny_model(tmp_path / 'tiny.onnx', props=props))


def test_a_graph_without_our_inputs_is_refused(tmp_path: Path) -> None:
    model = other_model()
    helper.set_model_props(model, tiny_metadata().to_props())
    path = tmp_path / 'other.onnx'
    path.write_bytes(model.SerializeToString())
    with pytest.raises(EevitError, match=r"no input 'image', only \['x'\]"):
        Engine(path)


def test_reading_a_model_needs_neither_onnx_nor_torch(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'tiny.onnx')
    code = (
        'import sys; sys.modules.update(onnx=None, torch=None)\n'  # None: importing it fails
        'from pathlib import Path; from eevit_ros.model.engine import Engine\n'
        'print(Engine(Path(sys.argv[1])).metadata.name)'
    )
    root = ROOT
    done = subprocess.run(
        [sys.executable, '-c', code, str(path)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout.strip()) == (0, 'tiny'), done.stderr


def test_entries_are_json_that_others_can_read() -> None:
    props = tiny_metadata().to_props()
    assert props['eevit_format_version'] == '1'
    assert json.loads(props['eevit_resize']) == {
        'mode': 'stretch',
        'interpolation': 'linear',
        'antialias': True,
    }
