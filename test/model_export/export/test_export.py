"""The exported file keeps the contract and answers as torch does; what differs is not written."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from eevit_ros.images.resize import Image, ResizeRule
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.model.stages import Tensor, cut_stages
from eevit_ros.policies import NAMES, build_policy
from eevit_ros.policies.base import Probabilities
from eevit_ros.policies.operating_point import measure_exits
from eevit_ros.policies.threshold_search import exits_taken
from model_export.data import RULE
from model_export.errors import ModelExportError
from model_export.export.check import TOLERANCE, check
from model_export.export.onnx_writer import round_weights_to_half, to_onnx, write
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import divide_by_temperatures, fold
from model_export.network.macs import count_macs
from model_export.recipe.recipe import Recipe
from test.model_export.random_model import CLASSES, random_model

pytestmark = pytest.mark.usefixtures('quick_exports')

EXITS = 2


@dataclass
class Exported:
    model: EarlyExitViT
    metadata: ModelMetadata
    proto: onnx.ModelProto
    path: Path


@pytest.fixture(scope='module')
def exported(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A random model of few layers, all the way to a file: each takes long to export."""
    lph, _, gah, _ = recipe.exits
    exits = (lph, dataclasses.replace(gah, layer=2))
    backbone = dataclasses.replace(recipe.backbone, layers=3)
    model = fold(random_model(dataclasses.replace(recipe, backbone=backbone, exits=exits)))
    divide_by_temperatures(model, [1.2, 0.8, 1.5])
    round_weights_to_half(model)
    macs = count_macs(model)
    metadata = ModelMetadata(
        name='tiny', class_names=CLASSES, exit_layers=model.exit_layers, layers=3,
        input_height=24, input_width=24, resize=RULE, default_thresholds=(0.5,) * EXITS,
        macs=macs.leaving, head_macs=macs.heads, backbone_macs=macs.backbone,
        accuracy=(0.25,) * 3, accuracy_data='nothing', training_data='nothing', licence='none',
        policy='margin',
    )  # fmt: skip
    proto = to_onnx(model, metadata)
    path = tmp_path_factory.mktemp('model') / 'tiny.onnx'
    write(proto, path)
    return Exported(model, metadata, proto, path)


@pytest.fixture(scope='module')
def pixels(images: torch.Tensor) -> Image:
    return images.numpy()


@pytest.fixture(scope='module')
def every_exit(exported: Exported, pixels: Image) -> Probabilities:
    """What the single graph answers when forced to leave at each exit, float32 (E + 1, N, C)."""
    engine, found = Engine(exported.path, compute=Compute(execution='single')), []
    for exit_index in range(EXITS + 1):
        engine.thresholds = [1.0] * exit_index + [0.0] * (EXITS - exit_index)
        found.append([engine.run(image).probabilities for image in pixels])
    return np.array(found)


def test_the_engine_answers_as_torch_at_every_exit(exported: Exported, pixels: Image) -> None:
    engine = Engine(exported.path)
    expected = exported.model(torch.from_numpy(pixels)).softmax(-1)
    for exit_index in range(EXITS + 1):
        engine.thresholds = [1.0] * exit_index + [0.0] * (EXITS - exit_index)
        for n, image in enumerate(pixels):
            result = engine.run(image)
            assert result.exit_index == exit_index
            np.testing.assert_allclose(
                result.probabilities, expected[exit_index, n].numpy(), atol=TOLERANCE
            )


def test_free_decisions_are_those_of_torch(exported: Exported, pixels: Image) -> None:
    assert check(exported.proto, exported.model, pixels) <= TOLERANCE
    engine = Engine(exported.path, thresholds=0.6)
    taken = {engine.run(image).exit_index for image in pixels}
    assert len(taken) > 1  # else the comparison says little


def test_stages_answer_as_the_single_graph_at_every_exit(
    exported: Exported, pixels: Image, every_exit: Probabilities
) -> None:
    staged = Engine(exported.path, compute=Compute(execution='staged'))
    for exit_index in range(EXITS + 1):
        staged.thresholds = [1.0] * exit_index + [0.0] * (EXITS - exit_index)
        for n, image in enumerate(pixels):
            result = staged.run(image)
            assert result.exit_index == exit_index
            np.testing.assert_allclose(
                result.probabilities, every_exit[exit_index, n], rtol=0, atol=1e-5
            )


@pytest.mark.parametrize('policy', NAMES)
@pytest.mark.parametrize('threshold', [0.1, 0.3, 0.5])
def test_stages_leave_by_any_policy_where_it_would_offline(
    exported: Exported, pixels: Image, every_exit: Probabilities, policy: str, threshold: float
) -> None:
    engine = Engine(exported.path, exit_policy=policy, thresholds=threshold)
    measures = measure_exits(build_policy(policy, exported.metadata.accuracy), every_exit)
    taken = exits_taken(measures.measure, np.full(EXITS, threshold, np.float32))
    for n, image in enumerate(pixels):
        result = engine.run(image)
        assert result.exit_index == taken[n]
        assert result.class_index == measures.answer[taken[n], n]
        assert result.confidence == pytest.approx(measures.confidence[taken[n], n], abs=1e-5)


def test_stages_together_hold_every_weight_once(exported: Exported) -> None:
    cut = cut_stages(exported.path.read_bytes())
    between = Tensor('tensor(float)', (1, 37, 24))
    names: list[str] = []
    for stage, write_stage in zip(cut.stages, cut.write, strict=True):
        proto = onnx.ModelProto.FromString(write_stage(dict.fromkeys(stage.inputs, between)))
        names += [one.name for one in proto.graph.initializer if np.prod(one.dims) >= 16]
    assert len(names) == len(set(names)) > 20


def test_the_file_keeps_the_contract(exported: Exported) -> None:
    proto = onnx.load(str(exported.path))
    onnx.checker.check_model(proto, full_check=True)
    assert proto.ir_version <= 10
    assert [o.version for o in proto.opset_import if o.domain == ''][0] <= 20
    assert Engine(exported.path).metadata == exported.metadata
    for graph in graphs(proto.graph):
        for node in graph.node:
            assert not node.metadata_props and not node.doc_string
        for tensor in graph.initializer:
            assert tensor.data_location != onnx.TensorProto.EXTERNAL
            if np.prod(tensor.dims) >= 1024:
                assert tensor.data_type != onnx.TensorProto.FLOAT  # stored as float16
    assert sum(node.op_type == 'If' for node in proto.graph.node) == EXITS  # one an exit


def test_the_metadata_say_how_to_resize(exported: Exported) -> None:
    assert Engine(exported.path).metadata.resize == RULE == ResizeRule('center_crop')


def test_a_file_that_answers_otherwise_is_refused(exported: Exported, pixels: Image) -> None:
    other = copy.deepcopy(exported.model)
    with torch.no_grad():
        other.backbone.classifier.bias[0] += 0.05
    with pytest.raises(ModelExportError, match=r'differ by .* nothing written'):
        check(exported.proto, other, pixels)


def test_nan_is_refused(exported: Exported, pixels: Image) -> None:
    other = copy.deepcopy(exported.model)
    with torch.no_grad():
        other.backbone.classifier.bias[0] = torch.nan
    with pytest.raises(ModelExportError, match=r'differ by nan at exit 2'):
        check(exported.proto, other, pixels)


def test_a_file_that_decides_otherwise_is_refused(exported: Exported, pixels: Image) -> None:
    class OffByOne:
        heads = exported.model.heads

        def forward_eager(
            self, image: torch.Tensor, thresholds: torch.Tensor, policy: str
        ) -> tuple[torch.Tensor, torch.Tensor]:
            probabilities, exit_index = exported.model.forward_eager(image, thresholds, policy)
            return probabilities, exit_index + 1

    with pytest.raises(ModelExportError, match='leaves at exit 0, torch at 1; nothing written'):
        check(exported.proto, OffByOne(), pixels)  # type: ignore[arg-type]


def test_a_missing_folder_is_named(exported: Exported, tmp_path: Path) -> None:
    with pytest.raises(ModelExportError, match=r'cannot write .*nowhere/m\.onnx'):
        write(exported.proto, tmp_path / 'nowhere' / 'm.onnx')


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs(attribute.g)
