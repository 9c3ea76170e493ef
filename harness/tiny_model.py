"""A few-KB model that keeps the whole contract and whose exit a test steers by brightness.

With z = mean of all pixels / 255, the exit after layer l has the confidence

    1/C + (1 - 1/C) * min(1, z * l / first exit layer),   z * L / first exit layer at the end,

for the class of the brightest colour channel (0 red or grey, 1 green, 2 blue); the other classes
share the rest. With the defaults (3 classes, exits after layers 1 and 2 of 4, thresholds 0.8):

    z > 0.7    (grey > 178.5)  leaves after layer 1      white: confidence 1
    z > 0.35   (grey > 89.25)  leaves after layer 2
    else                       runs all 4 layers         black: confidence 1/3, below any doubt
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from eevit_ros.images.resize import ResizeRule
from eevit_ros.model.metadata import CONFIDENCE_BINS, ModelMetadata


def tiny_metadata(
    classes: int = 3,
    exit_layers: Sequence[int] = (1, 2),
    layers: int = 4,
    size: tuple[int, int] = (32, 32),
) -> ModelMetadata:
    """Return what the tiny model says of itself; figures are made up but consistent."""
    return ModelMetadata(
        name='tiny',
        class_names=tuple(f'class {i}' for i in range(classes)),
        exit_layers=tuple(exit_layers),
        layers=layers,
        input_height=size[0],
        input_width=size[1],
        resize=ResizeRule('stretch'),
        default_thresholds=(0.8,) * len(exit_layers),
        macs=tuple(1000 * layer for layer in (*exit_layers, layers)),
        head_macs=(100,) * len(exit_layers),
        backbone_macs=900 * layers,
        accuracy=tuple(layer / layers for layer in (*exit_layers, layers)),
        accuracy_data='none: made by hand',
        training_data='none: made by hand',
        licence='Apache-2.0',
        calibration_counts=_half_white_half_black(len(exit_layers) + 1),
    )


def _half_white_half_black(exits: int) -> tuple[tuple[int, ...], ...]:
    """The counts of calibrating 3 classes on as many white as black images."""
    counts = np.zeros((exits, CONFIDENCE_BINS), np.int64)
    counts[0, 9] = counts[-1, 3] = 100
    return tuple(tuple(row) for row in counts.tolist())


def write_tiny_model(
    path: Path,
    *,
    classes: int = 3,
    exit_layers: Sequence[int] = (1, 2),
    layers: int = 4,
    size: tuple[int, int] = (32, 32),
    nan_when_black: bool = False,
    props: Mapping[str, str | None] | None = None,
) -> Path:
    """Write the tiny model to `path` and return it.

    Args:
        path: Where the .onnx goes.
        classes: C, at least 3.
        exit_layers: The E early exits, rising, each below `layers`.
        layers: L.
        size: Input height and width in pixels.
        nan_when_black: An all-black image gives probabilities of NaN at every exit.
        props: Metadata entries to override; None leaves the entry out.
    """
    model = make_tiny_model(classes, exit_layers, layers, size, nan_when_black)
    entries: dict[str, str | None] = dict(
        tiny_metadata(classes, exit_layers, layers, size).to_props()
    )
    entries.update(props or {})
    helper.set_model_props(model, {k: v for k, v in entries.items() if v is not None})
    path.write_bytes(model.SerializeToString())
    return path


def make_tiny_model(
    classes: int = 3,
    exit_layers: Sequence[int] = (1, 2),
    layers: int = 4,
    size: tuple[int, int] = (32, 32),
    nan_when_black: bool = False,
) -> onnx.ModelProto:
    """Return the tiny model's ONNX without metadata; every stage after the first is one `If`."""
    constants = {
        'top': np.float32(1 - 1 / classes),
        'even': np.float32(1 / classes),
        'rest': np.float32(1 / (classes - 1)),
        'one': np.float32(1),
        'inv_255': np.float32(1 / 255),
        'spatial': np.array([1, 2], np.int64),
        'one_axis': np.array([1], np.int64),
        'indices': np.arange(classes, dtype=np.int64),
    }
    nodes = [
        helper.make_node('Cast', ['image'], ['pixels'], to=TensorProto.FLOAT),
        helper.make_node('ReduceMean', ['pixels', 'spatial'], ['colour'], keepdims=0),  # (1, 3)
        helper.make_node('ReduceMean', ['colour', 'one_axis'], ['mean'], keepdims=1),  # (1, 1)
        helper.make_node('Mul', ['mean', 'inv_255'], ['z']),
        helper.make_node('ArgMax', ['colour'], ['brightest'], axis=1, keepdims=1),  # (1, 1)
        helper.make_node('Equal', ['brightest', 'indices'], ['is_brightest']),  # (1, C)
        helper.make_node('Cast', ['is_brightest'], ['chosen'], to=TensorProto.FLOAT),
    ]
    if nan_when_black:  # 0 / 0 is NaN, z / z is 1
        nodes.append(helper.make_node('Div', ['z', 'z'], ['unity']))
        nodes.append(helper.make_node('Mul', ['chosen', 'unity'], ['onehot']))
    else:
        nodes.append(helper.make_node('Identity', ['chosen'], ['onehot']))

    stages = (*exit_layers, layers)
    nodes += _stage(0, stages[0] / stages[0], final=False)
    for index, layer in enumerate(stages[1:], start=1):
        final = index == len(stages) - 1
        kept = [
            helper.make_node('Identity', [f'{name}_{index - 1}'], [f'kept_{name}_{index}'])
            for name in ('probabilities', 'index', 'taken')
        ]
        nodes.append(
            helper.make_node(
                'If',
                [f'taken_{index - 1}'],
                [f'probabilities_{index}', f'index_{index}', f'taken_{index}'],
                then_branch=_branch(kept, 'kept_', index, classes),
                else_branch=_branch(
                    _stage(index, layer / stages[0], final, prefix='new_'), 'new_', index, classes
                ),
            )
        )
    last = len(stages) - 1
    nodes.append(helper.make_node('Identity', [f'probabilities_{last}'], ['probabilities']))
    nodes.append(helper.make_node('Identity', [f'index_{last}'], ['exit_index']))

    graph = helper.make_graph(
        nodes,
        'tiny',
        [
            helper.make_tensor_value_info('image', TensorProto.UINT8, [1, *size, 3]),
            helper.make_tensor_value_info('thresholds', TensorProto.FLOAT, [len(exit_layers)]),
        ],
        [
            helper.make_tensor_value_info('probabilities', TensorProto.FLOAT, [1, classes]),
            helper.make_tensor_value_info('exit_index', TensorProto.INT32, [1]),
        ],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def _stage(index: int, gain: float, final: bool, prefix: str = '') -> list[onnx.NodeProto]:
    """Nodes that compute the answer of exit `index` and whether it is taken."""
    suffix = f'{prefix}{index}'

    def constant(name: str, value: np.ndarray) -> onnx.NodeProto:
        return helper.make_node('Constant', [], [name], value=numpy_helper.from_array(value))

    nodes = [
        constant(f'gain_{suffix}', np.float32(gain)),
        helper.make_node('Mul', ['z', f'gain_{suffix}'], [f'amplified_{suffix}']),
        helper.make_node('Mul', [f'amplified_{suffix}', 'top'], [f'above_even_{suffix}']),
        helper.make_node('Add', [f'above_even_{suffix}', 'even'], [f'unbounded_{suffix}']),
        helper.make_node('Min', [f'unbounded_{suffix}', 'one'], [f'confidence_{suffix}']),
        helper.make_node('Sub', ['one', f'confidence_{suffix}'], [f'doubt_{suffix}']),
        helper.make_node('Mul', [f'doubt_{suffix}', 'rest'], [f'each_other_{suffix}']),
        helper.make_node('Sub', [f'confidence_{suffix}', f'each_other_{suffix}'], [f'd_{suffix}']),
        helper.make_node('Mul', ['onehot', f'd_{suffix}'], [f'peak_{suffix}']),
        helper.make_node(
            'Add', [f'peak_{suffix}', f'each_other_{suffix}'], [f'{prefix}probabilities_{index}']
        ),
        constant(f'{prefix}index_{index}', np.array([index], np.int32)),
    ]
    if final:
        return [*nodes, constant(f'{prefix}taken_{index}', np.array([True]))]
    return [
        *nodes,
        constant(f'i_{suffix}', np.array([index], np.int64)),
        helper.make_node('Gather', ['thresholds', f'i_{suffix}'], [f'threshold_{suffix}']),
        helper.make_node(
            'ReduceMax', [f'{prefix}probabilities_{index}'], [f'max_{suffix}'], keepdims=0
        ),
        helper.make_node(
            'Greater', [f'max_{suffix}', f'threshold_{suffix}'], [f'{prefix}taken_{index}']
        ),
    ]


def _branch(nodes: list[onnx.NodeProto], prefix: str, index: int, classes: int) -> onnx.GraphProto:
    """Wrap one side of an `If`: no inputs, the three things that every stage hands on."""
    return helper.make_graph(
        nodes,
        f'{prefix}{index}',
        [],
        [
            helper.make_tensor_value_info(
                f'{prefix}probabilities_{index}', TensorProto.FLOAT, [1, classes]
            ),
            helper.make_tensor_value_info(f'{prefix}index_{index}', TensorProto.INT32, [1]),
            helper.make_tensor_value_info(f'{prefix}taken_{index}', TensorProto.BOOL, [1]),
        ],
    )
