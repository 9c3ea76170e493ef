"""The exported graph does less than the trained model and answers the same, at every exit.

Weights are left in float32 here: half precision is a rounding of its own, see test_export.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.policies.base import Probabilities
from model_export.data import RULE
from model_export.export.onnx_writer import to_onnx, write
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import fold
from model_export.network.heads import head_names
from model_export.network.macs import count_macs
from model_export.recipe.recipe import BackboneRecipe, ExitRecipe, Recipe
from test.model_export.random_model import random_model

pytestmark = pytest.mark.usefixtures('quick_exports')

WIDTH, TOKENS = 24, 26
EXITS = 2  # each takes seconds to export
HEADS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, {}) for name in head_names() if not name.startswith('test_')),
    ('lph', {'kernel': 1, 'norm': 'none'}),
    ('lph', {'hidden': 8}),
    ('gah', {'window': 2, 'norm': 'last'}),
    ('gah', {'window': 3, 'sample': True, 'norm': 'none'}),
    ('mean', {'norm': 'none'}),
)
HEADS += (('mean', {}),) * (-len(HEADS) % EXITS)  # as many at every exit
SAME = 1e-5


class Mean(nn.Module):
    """Several heads at one exit: layers take long to export."""

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([head(x) for head in self.heads]).mean(dim=0)


@dataclass
class Exported:
    trained: EarlyExitViT
    proto: onnx.ModelProto
    path: Path


def model_with(heads: Sequence[tuple[str, dict[str, Any]]]) -> EarlyExitViT:
    """One head after each of the first layers; all of these models have the same backbone."""
    exits = [ExitRecipe(layer, name, params) for layer, (name, params) in enumerate(heads, start=1)]
    backbone = BackboneRecipe(
        image_size=20, patch_size=4, width=WIDTH, layers=EXITS + 1, attention_heads=2
    )
    return random_model(Recipe('lean', backbone, tuple(exits), 4))


def averaged(models: Sequence[EarlyExitViT]) -> EarlyExitViT:
    """The first one, with the heads of all."""
    model = models[0]
    model.heads = nn.ModuleList(map(Mean, zip(*(m.heads for m in models), strict=True)))
    return model


@pytest.fixture(scope='module')
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Every kind of head, as trained and as a file."""
    models = [model_with(HEADS[n : n + EXITS]) for n in range(0, len(HEADS), EXITS)]
    folded = averaged([fold(model) for model in models])
    macs = count_macs(folded)
    metadata = ModelMetadata(
        name='lean', class_names=('a', 'b', 'c', 'd'), exit_layers=folded.exit_layers,
        layers=EXITS + 1, input_height=20, input_width=20, resize=RULE,
        default_thresholds=(0.6,) * EXITS, macs=macs.leaving, head_macs=macs.heads,
        backbone_macs=macs.backbone, accuracy=(0.25,) * (EXITS + 1), accuracy_data='nothing',
        training_data='nothing', licence='none',
    )  # fmt: skip
    proto = to_onnx(folded, metadata, half=False)
    path = tmp_path_factory.mktemp('lean') / 'lean.onnx'
    write(proto, path)
    return Exported(averaged(models), proto, path)


@pytest.fixture(scope='module')
def frames() -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (6, 20, 20, 3), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope='module')
def expected(exported: Exported, frames: Tensor) -> Probabilities:
    """What the trained model answers at every exit, float32 (E + 1, N, C)."""
    probabilities: Probabilities = exported.trained(frames).softmax(-1).numpy()
    return probabilities


@pytest.fixture(params=['single', 'staged'])
def engine(exported: Exported, request: pytest.FixtureRequest) -> Engine:
    return Engine(exported.path, compute=Compute(execution=request.param, threads=1))


def test_no_probability_changes(engine: Engine, frames: Tensor, expected: Probabilities) -> None:
    for exit_index in range(EXITS + 1):
        engine.thresholds = [1.0] * exit_index + [0.0] * (EXITS - exit_index)
        for n, frame in enumerate(frames.numpy()):
            found = engine.run(frame)
            assert found.exit_index == exit_index
            np.testing.assert_allclose(
                found.probabilities, expected[exit_index, n], rtol=0, atol=SAME
            )


def test_no_decision_changes(engine: Engine, frames: Tensor, expected: Probabilities) -> None:
    seen = set()
    for threshold in (0.9, 0.995, 0.999, 0.9999):
        engine.thresholds = threshold
        leaves = expected.max(axis=-1) > threshold
        leaves[-1] = True
        for n, frame in enumerate(frames.numpy()):
            found, left = engine.run(frame), leaves[:, n].argmax()  # the first that does
            assert found.exit_index == left
            assert found.class_index == expected[left, n].argmax()
            seen.add(found.exit_index)
    assert len(seen) == EXITS + 1  # else unchanged decisions would say little


def test_the_graph_holds_one_if_an_exit(exported: Exported) -> None:
    assert sum(node.op_type == 'If' for node in nodes(exported.proto.graph)) == EXITS


def test_batch_norms_are_gone_but_where_zeros_are_padded_behind_them(exported: Exported) -> None:
    """Before LPH's padded depthwise convolution a shift is not the same at the border."""
    flat = list(nodes(exported.proto.graph))
    norms = [node for node in flat if node.op_type == 'BatchNormalization']
    assert len(norms) == sum(name == 'lph' and 'kernel' not in params for name, params in HEADS)
    for norm in norms:
        (reader,) = (node for node in flat if norm.output[0] in node.input)
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in reader.attribute}
        assert (reader.op_type, attributes['pads']) == ('Conv', [1, 1, 1, 1])


def test_every_weight_is_stored_once(exported: Exported) -> None:
    stored = [
        onnx.numpy_helper.to_array(tensor)
        for graph in graphs(exported.proto.graph)
        for tensor in graph.initializer
        if np.prod(tensor.dims) > WIDTH and tensor.data_type == onnx.TensorProto.FLOAT
    ]
    contents = Counter(np.sort(values, axis=None).tobytes() for values in stored)
    assert max(contents.values()) == 1  # not even transposed
    assert sum(values.size for values in stored) < sum(
        p.numel() for p in exported.trained.parameters()
    )


def test_a_branch_holds_the_weights_of_its_convolutions(exported: Exported) -> None:
    """Elsewhere ONNX Runtime would round otherwise than in a stage, which int8 multiplies."""
    _, *branches = graphs(exported.proto.graph)
    found = 0
    for branch in branches:
        weights = {tensor.name for tensor in branch.initializer}
        for node in branch.node:
            if node.op_type == 'Conv':
                assert weights.issuperset(node.input[1:])
                found += 1
    assert found > 1


def test_a_layer_is_four_products_and_the_last_one_runs_for_the_class_token(
    exported: Exported,
) -> None:
    """Queries, keys and values are one product; in the last layer keys and values are."""
    proto = onnx.shape_inference.infer_shapes(exported.proto)
    weights = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
    final = [node for node in proto.graph.node if node.op_type == 'If'][-1]
    _, goes_on = sorted((attribute.g for attribute in final.attribute), key=lambda g: len(g.node))
    shapes = {
        info.name: tuple(size.dim_value for size in info.type.tensor_type.shape.dim)
        for info in goes_on.value_info
    }
    products = {
        weights[node.input[1]]: shapes[node.output[0]][1]
        for node in goes_on.node
        if node.op_type == 'MatMul' and node.input[1] in weights
    }
    assert products == {
        (WIDTH, WIDTH): 1,  # queries, and the projection
        (WIDTH, 2 * WIDTH): TOKENS,
        (WIDTH, 4 * WIDTH): 1,
        (4 * WIDTH, WIDTH): 1,
    }
    kinds = Counter(
        weights[node.input[1]]
        for node in nodes(proto.graph)
        if node.op_type == 'MatMul' and node.input[1] in weights
    )
    assert kinds[WIDTH, 3 * WIDTH] >= EXITS


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs(attribute.g)


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for part in graphs(graph):
        yield from part.node
