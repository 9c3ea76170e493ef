"""Maps of where an exit looks, and the sheets of the study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_export.errors import ModelExportError
from model_export.measuring.answers import Answers, leaving
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.recipe import BackboneRecipe, ExitRecipe, Recipe
from model_export.studies.looking import study as looking
from model_export.studies.looking.maps import attention_rollout, grad_cam, has_rollout
from model_export.studies.looking.sheet import SIDE, overlay, thumbnail
from model_export.studies.looking.study import choose, focus, likeness, study
from model_export.studies.registry import StudyInputs
from test.model_export.random_model import random_model


def test_rollout_of_even_attention_is_known(model: EarlyExitViT, images: torch.Tensor) -> None:
    for name, parameter in model.backbone.named_parameters():
        if 'qkv' in name:
            parameter.data.zero_()
    tokens = 1 + 6 * 6
    rolled = attention_rollout(model.backbone, images[:2])
    assert rolled.shape == (5, 2, 6, 6)
    for layer in range(1, 6):  # what the residual branch keeps halves with every layer
        torch.testing.assert_close(
            rolled[layer - 1], torch.full((2, 6, 6), (1 - 0.5**layer) / tokens)
        )


def test_rollout_is_a_share_and_differs_by_image(model: EarlyExitViT, images: torch.Tensor) -> None:
    rolled = attention_rollout(model.backbone, images[:3])
    assert (rolled >= 0).all()
    assert (rolled.sum(dim=(2, 3)) <= 1).all()
    torch.testing.assert_close(rolled[:, 1:2], attention_rollout(model.backbone, images[1:2]))
    assert not torch.allclose(rolled[0, 0], rolled[0, 1])


@pytest.mark.parametrize(
    ('backbone', 'grids', 'rolls'),
    [
        ({'kind': 'deit'}, {6}, True),
        ({'registers': 3}, {6}, True),
        (
            {'kind': 'swin', 'depths': (2, 2), 'layers': 4, 'window': 3, 'patch_size': 2},
            {6, 12},
            False,
        ),
    ],
)
def test_every_backbone_has_maps(
    backbone: dict[str, object], grids: set[int], rolls: bool, images: torch.Tensor
) -> None:
    base = {'image_size': 24, 'patch_size': 4, 'width': 24, 'layers': 4, 'attention_heads': 2}
    made = BackboneRecipe(**{**base, **backbone})  # type: ignore[arg-type]
    exits = (ExitRecipe(1, 'mean'), ExitRecipe(3, 'mean'))
    model = random_model(Recipe('maps', made, exits, 4, held_out=4))
    assert has_rollout(model.backbone) == rolls
    if rolls:
        assert attention_rollout(model.backbone, images[:2]).shape == (4, 2, 6, 6)
    for exit_index in range(3):
        cam = grad_cam(model, images[:2], exit_index)
        assert cam.shape[0] == 2
        assert cam.shape[1] == cam.shape[2] in grids
        assert (cam >= 0).all()
        torch.testing.assert_close(cam[1:], grad_cam(model, images[1:2], exit_index))


def test_grad_cam_knows_what_its_exit_can_see(recipe: Recipe, images: torch.Tensor) -> None:
    exits = (ExitRecipe(2, 'linear'), ExitRecipe(3, 'mean'))
    model = random_model(replace(recipe, exits=exits))
    before = [grad_cam(model, images[:4], exit_index) for exit_index in range(3)]
    assert all(cam.any() for cam in before)
    with torch.no_grad():  # what comes after an exit does not count for it
        model.backbone.blocks[4].mlp.fc1.weight.normal_()
        model.backbone.blocks[4].attn.qkv.weight.normal_()
    after = [grad_cam(model, images[:4], exit_index) for exit_index in range(3)]
    torch.testing.assert_close(after[:2], before[:2])
    assert not torch.allclose(after[2], before[2])
    with torch.no_grad():  # without attention in layer 2, its class token knows no patch
        model.backbone.blocks[1].attn.proj.weight.zero_()
    assert not grad_cam(model, images[:4], 0).any()


def test_images_are_chosen_by_when_they_leave(colour_answers: Answers) -> None:
    left = leaving(colour_answers)
    assert left.layer[colour_answers.labels == 0].tolist() == [1] * 15
    assert left.layer[colour_answers.labels == 3].tolist() == [5] * 15
    samples = choose(colour_answers, left)
    assert [sample.why for sample in samples] == [
        'early, right',
        'middle, right',
        'middle, wrong',
        'late, wrong',
    ]
    assert [int(colour_answers.labels[sample.index]) for sample in samples] in (
        [0, 1, 2, 3],
        [0, 2, 2, 3],
    )


def test_focus_and_likeness_of_known_maps() -> None:
    flat, peak = np.ones((1, 4, 4), np.float32), np.zeros((1, 4, 4), np.float32)
    peak[0, 1, 2] = 3
    assert focus([flat, peak]) == [0.25, 1]
    assert likeness([1 - peak, np.ones((1, 2, 2), np.float32), peak]) == [
        pytest.approx(-1),
        None,
        pytest.approx(1),
    ]


def test_the_hottest_patch_is_red_and_the_coldest_blue() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    heat = np.zeros((4, 4), np.float32)
    heat[0, 0] = 2
    shown = overlay(grey, heat).astype(int)
    assert shown.shape == (SIDE, SIDE, 3)
    assert shown[0, 0, 0] > shown[0, 0, 2] + 40
    assert shown[-1, -1, 2] > shown[-1, -1, 0]
    assert np.abs(thumbnail(grey).astype(int) - 128).max() < 11


def test_the_study_draws_each_kind_of_map(
    colour_answers: Answers,
    colour_weights: Path,
    colour_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(looking, 'answers', lambda *_: colour_answers)
    inputs = StudyInputs(tmp_path, model=Path('m'), weights=colour_weights, data=colour_folder)
    found = study(inputs)
    assert sorted(found.figures) == ['gradcam', 'rollout']
    images, maps = found.tables
    assert [row[5] for row in images.rows] == [1, 3, 3, 5]
    assert [row[0] for row in maps.rows] == [1, 2, 3, 4, 5]
    assert maps.rows[-1][2] == maps.rows[-1][4] == pytest.approx(1)


def test_other_weights_than_the_files_are_refused(
    colour_answers: Answers, colour_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed = replace(colour_answers.metadata, class_names=('a', 'b', 'c', 'd'))
    made = replace(colour_answers, metadata=renamed)
    monkeypatch.setattr(looking, 'answers', lambda *_: made)
    with pytest.raises(ModelExportError, match='is not what m was made of'):
        study(StudyInputs(tmp_path, model=Path('m'), weights=colour_weights, data=tmp_path))
