"""The forms of a model agree, the deployed one with them."""

from __future__ import annotations

import pytest
import torch

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import check_fold, divide_by_temperatures, fold
from model_export.network.macs import count_macs

FORCED = [
    ([0.0] * 4, 0),
    ([1.0, 0, 0, 0], 1),
    ([1.0, 1, 0, 0], 2),
    ([1.0, 1, 1, 0], 3),
    ([1.0] * 4, 4),
]


@pytest.mark.parametrize(('thresholds', 'index'), FORCED)
def test_the_eager_form_gives_the_batched_answer_of_the_exit_it_takes(
    model: EarlyExitViT, images: torch.Tensor, thresholds: list[float], index: int
) -> None:
    batched = model(images).softmax(-1)  # (E + 1, B, C)
    for n, image in enumerate(images):
        probabilities, taken = model.forward_eager(image[None], torch.tensor(thresholds))
        assert taken.tolist() == [index]
        torch.testing.assert_close(probabilities[0], batched[index, n], atol=1e-5, rtol=0)


def test_an_exit_is_taken_only_above_its_threshold(
    model: EarlyExitViT, images: torch.Tensor
) -> None:
    image = images[:1]
    probabilities, _ = model.forward_eager(image, torch.zeros(4))
    confidence = float(probabilities.max())
    at = torch.tensor([confidence, 0.0, 0.0, 0.0])
    below = torch.tensor([confidence - 1e-6, 0.0, 0.0, 0.0])
    assert int(model.forward_eager(image, at)[1]) == 1  # strict: equal is not enough
    assert int(model.forward_eager(image, below)[1]) == 0


def test_eager_exit_runs_nothing_after_the_exit(model: EarlyExitViT, images: torch.Tensor) -> None:
    model.backbone.blocks[1].forward = None  # type: ignore[assignment]  # running it would raise
    _, taken = model.forward_eager(images[:1], torch.zeros(4))
    assert int(taken) == 0


def test_folding_changes_no_answer(model: EarlyExitViT, images: torch.Tensor) -> None:
    folded = fold(model)
    torch.testing.assert_close(folded(images), model(images), atol=1e-4, rtol=1e-4)


def test_a_tail_that_does_not_belong_to_its_head_is_found(
    model: EarlyExitViT, images: torch.Tensor
) -> None:
    check_fold(model, fold(model), images)
    neck = model.heads[2].neck
    neck.forward = lambda patches: neck.proj(neck.trunk(patches)) + 0.1  # as a subclass might
    with pytest.raises(ModelExportError, match='head after layer 3 answers differently'):
        check_fold(model, fold(model), images)


def test_temperatures_divide_the_logits(model: EarlyExitViT, images: torch.Tensor) -> None:
    temperatures = [0.5, 1.0, 2.0, 3.0, 4.0]
    folded = fold(model)
    divide_by_temperatures(folded, temperatures)
    expected = model(images) / torch.tensor(temperatures)[:, None, None]
    torch.testing.assert_close(folded(images), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('temperatures', [[1.0] * 4, [1.0, 1, 1, 1, 0], [1.0, 1, 1, 1, -2]])
def test_fold_refuses_wrong_temperatures(model: EarlyExitViT, temperatures: list[float]) -> None:
    with pytest.raises(ModelExportError, match='expected 5 positive temperatures'):
        divide_by_temperatures(fold(model), temperatures)


def test_macs_are_those_of_the_architecture(model: EarlyExitViT) -> None:
    width, tokens, patches = 24, 37, 36
    layer = tokens * 12 * width**2 + 2 * tokens**2 * width
    embed = patches * 48 * width
    last = tokens * 2 * width**2 + 2 * tokens * width + 10 * width**2 + 4 * width
    macs = count_macs(model)
    assert macs.backbone == embed + 4 * layer + last
    mean_head = 4 * width  # the classifier alone
    assert macs.heads[3] == mean_head
    assert macs.leaving[4] == macs.backbone + sum(macs.heads)
    assert macs.leaving[2] - macs.leaving[1] == layer + macs.heads[2]


def test_folding_saves_macs_in_every_head_with_a_tail(model: EarlyExitViT) -> None:
    plain, folded = count_macs(model).heads, count_macs(fold(model)).heads
    assert all(after < before for before, after in zip(plain[:3], folded[:3], strict=True))
    assert folded[3] == plain[3]
