"""Files of fewer bits keep the contract, answer alike in both forms and nearly as torch does."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from eevit_ros.images.resize import Image
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.model.runners import ModelOutput, StagedRunner
from model_export.__main__ import main
from model_export.data import RULE
from model_export.errors import ModelExportError
from model_export.export.check import check_forms, open_forms
from model_export.export.onnx_writer import write
from model_export.export.precision import agreement, answer_all, to_logits, to_precision
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import fold
from model_export.network.macs import count_macs
from model_export.recipe.recipe import Recipe
from test.model_export.random_model import CLASSES, random_model

pytestmark = pytest.mark.usefixtures('quick_exports')

EXITS = 2


@pytest.fixture(scope='module')
def folded(recipe: Recipe) -> EarlyExitViT:
    """Fewer layers than the recipe's, because each takes long to export."""
    lph, _, gah, _ = recipe.exits
    exits = (lph, dataclasses.replace(gah, layer=2))
    backbone = dataclasses.replace(recipe.backbone, layers=3)
    return fold(random_model(dataclasses.replace(recipe, backbone=backbone, exits=exits)))


@pytest.fixture(scope='module')
def metadata(folded: EarlyExitViT) -> ModelMetadata:
    macs = count_macs(folded)
    return ModelMetadata(
        name='tiny', class_names=CLASSES, exit_layers=folded.exit_layers, layers=3,
        input_height=24, input_width=24, resize=RULE, default_thresholds=(0.6,) * EXITS,
        macs=macs.leaving, head_macs=macs.heads, backbone_macs=macs.backbone,
        accuracy=(0.25,) * 3, accuracy_data='nothing', training_data='nothing', licence='none',
        precision='int8',
    )  # fmt: skip


@pytest.fixture(scope='module')
def int8(folded: EarlyExitViT, metadata: ModelMetadata) -> onnx.ModelProto:
    return to_precision(folded, metadata)


@pytest.fixture(scope='module')
def path(int8: onnx.ModelProto, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('model') / 'int8.onnx'
    write(int8, path)
    return path


@pytest.fixture(scope='module')
def pixels(images: torch.Tensor) -> Image:
    return images.numpy()


def test_every_product_with_weights_runs_in_int8(int8: onnx.ModelProto) -> None:
    kinds: Counter[str] = Counter()
    graphs = [int8.graph]
    while graphs:
        graph = graphs.pop()
        kinds.update(node.op_type for node in graph.node)
        for node in graph.node:
            graphs += [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    # Attention multiplies twice without weights, in three layers and one head.
    assert kinds['MatMul'] == 2 * (3 + 1)
    assert kinds['Gemm'] == 0
    assert kinds['Conv'] == 1 + 1  # patch embedding, and a depthwise one
    assert kinds['MatMulInteger'] > 4 * 3  # attention and MLP of three layers, and the heads


@pytest.mark.parametrize('execution', ['single', 'staged'])
def test_both_forms_leave_where_forced_and_say_the_same(
    path: Path, int8: onnx.ModelProto, pixels: Image, execution: str
) -> None:
    engine = Engine(path, compute=Compute(execution=execution))
    assert engine.metadata.precision == 'int8'
    expected = answer_all(int8, pixels)
    for exit_index in range(EXITS + 1):
        engine.thresholds = [1.0] * exit_index + [0.0] * (EXITS - exit_index)
        for n, image in enumerate(pixels):
            result = engine.run(image)
            assert result.exit_index == exit_index
            np.testing.assert_allclose(
                result.probabilities, expected[exit_index, n], rtol=0, atol=1e-5
            )


def test_it_answers_nearly_as_torch_but_not_exactly(
    folded: EarlyExitViT, int8: onnx.ModelProto, pixels: Image
) -> None:
    expected = folded(torch.from_numpy(pixels)).softmax(-1).numpy()
    difference = np.abs(answer_all(int8, pixels) - expected).max()
    assert 1e-5 < difference < 0.1


def test_answers_become_logits_and_answers_again(int8: onnx.ModelProto, pixels: Image) -> None:
    answers = answer_all(int8, pixels)
    np.testing.assert_allclose(to_logits(answers).softmax(-1).numpy(), answers, rtol=1e-4)
    assert to_logits(np.zeros((1, 1, 2), np.float32)).isfinite().all()


def test_agreement_is_said_for_the_last_and_for_the_worst_exit() -> None:
    expected = np.array([[[0.9, 0.1], [0.6, 0.4]], [[1.0, 0.0], [0.5, 0.5]]], np.float32)
    found = expected.copy()
    found[0, 1] = 0.4, 0.6
    said = agreement(found, expected)
    assert '100.0% at full depth, 50.0% at the worst exit' in said
    assert 'at most' in said and ' 0.2 ' in said


class OtherStages:
    """The stages of a file, with answers or free decisions that differ from the graph's."""

    def __init__(self, staged: StagedRunner, off_by: float, exits_later: int) -> None:
        self.staged, self.off_by, self.exits_later = staged, off_by, exits_later

    def run(self, image: Image, thresholds: tuple[float, ...]) -> ModelOutput:
        probabilities, exit_index = self.staged.run(image, thresholds)
        low, next_low = probabilities[0].argsort()[:2]  # so that no decision changes
        probabilities[0, low] -= self.off_by
        probabilities[0, next_low] += self.off_by
        free = not {0.0, 1.0}.issuperset(thresholds)
        return ModelOutput(probabilities, exit_index + self.exits_later * free)


@pytest.mark.parametrize(
    ('off_by', 'exits_later', 'refused'),
    [
        (0.0, 0, ''),
        (0.0019, 0, ''),  # a value that rounding tipped to the next of 256 steps
        (0.05, 0, 'differ by 0.05, by 0.05 on average'),
        (np.nan, 0, 'differ by nan'),
        (0.0, 1, 'OtherStages leaves at exit 1 of the int8 graph, its answers at 0'),
    ],
)
def test_an_export_compares_answers_and_decisions_of_both_forms(
    int8: onnx.ModelProto,
    pixels: Image,
    monkeypatch: pytest.MonkeyPatch,
    off_by: float,
    exits_later: int,
    refused: str,
) -> None:
    single, staged = open_forms(int8)
    other = OtherStages(staged, off_by, exits_later)
    monkeypatch.setattr('model_export.export.check.open_forms', lambda proto: (single, other))
    if refused:
        with pytest.raises(ModelExportError, match=f'{refused}.*nothing written'):
            check_forms(int8, pixels)
    else:
        assert check_forms(int8, pixels) == pytest.approx(off_by, abs=1e-5)


def test_in_fp16_weights_are_halves_and_answers_nearly_those_of_torch(
    folded: EarlyExitViT, metadata: ModelMetadata, pixels: Image
) -> None:
    proto = to_precision(folded, dataclasses.replace(metadata, precision='fp16'))
    assert folded.backbone.classifier.weight.dtype == torch.float32  # a copy was halved
    weights = [tensor for tensor in proto.graph.initializer if len(tensor.dims) == 2]
    assert {tensor.data_type for tensor in weights} == {onnx.TensorProto.FLOAT16}
    expected = folded(torch.from_numpy(pixels)).softmax(-1).numpy()
    difference = np.abs(answer_all(proto, pixels) - expected).max()
    assert 1e-6 < difference < 5e-3
    assert check_forms(proto, pixels) < 5e-3


@pytest.mark.usefixtures('int8')
def test_quantising_leaves_the_log_level_of_others_alone() -> None:
    assert logging.getLogger().level < logging.ERROR


def test_a_precision_that_nobody_knows_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(['export', 'run', '--data', 'data', '--out', 'out.onnx', '--precision', 'int4'])
    assert refused.value.code == 2
    assert 'int4' in capsys.readouterr().err
