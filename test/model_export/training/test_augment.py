"""Augmentation: mixed images have mixed labels."""

from __future__ import annotations

import sys

import pytest
import torch

from model_export.errors import ModelExportError
from model_export.recipe.recipe import StageRecipe
from model_export.training.augment import augment, check_augmentation


@pytest.mark.parametrize('name', ['mixup', 'cutmix'])
def test_labels_are_mixed_as_images_are(name: str) -> None:
    pytest.importorskip('kornia')
    torch.manual_seed(0)
    grey = 20 * torch.arange(8)  # of image i, whose label is i: the mean tells the mixture
    image = grey.to(torch.uint8)[:, None, None, None].expand(8, 16, 16, 3)
    mixed, shares = augment(image, torch.arange(8), StageRecipe('backbone', **{name: 1.0}), 8)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(8))
    assert (shares.amax(dim=1) < 0.999).any()
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), shares @ grey.float())


def test_rand_augment_follows_from_torch_s_random_state() -> None:
    pytest.importorskip('kornia')
    image = torch.randint(0, 256, (4, 16, 16, 3), dtype=torch.uint8)
    stage = StageRecipe('backbone', rand_augment=10)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augment(image, torch.arange(4), stage, 4)[0])
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])
    assert results[0].shape == image.shape and results[0].amin() >= 0 and results[0].amax() <= 255


def test_without_kornia_a_recipe_that_needs_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'kornia.augmentation', None)
    check_augmentation(StageRecipe('backbone'))
    with pytest.raises(ModelExportError, match=r"kornia .*pip install '.\[augment\]'"):
        check_augmentation(StageRecipe('backbone', cutmix=0.5))
