"""Augmentation of a whole batch by kornia: RandAugment, mixup, CutMix.

It follows from torch's random state, which `StageInputs.seed_torch` sets before each step.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from model_export.errors import ModelExportError
from model_export.recipe.recipe import StageRecipe


def check_augmentation(recipe: StageRecipe) -> None:
    """Refuse a stage that needs kornia if it is not installed.

    Raises:
        ModelExportError: It is needed and missing.
    """
    if not (recipe.mixup or recipe.cutmix or recipe.rand_augment):
        return
    try:
        import kornia.augmentation  # noqa: F401
    except ImportError as err:
        raise ModelExportError(
            f'mixup, cutmix and rand_augment need kornia ({err}): '
            f"pip install '.[augment]', or remove them from the recipe"
        ) from err


def augment(
    image: Tensor, label: Tensor, recipe: StageRecipe, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Apply RandAugment to each image, then mixup or CutMix to the batch, as the stage says.

    Args:
        image: uint8 (B, H, W, 3).
        label: int64 (B,).
        recipe: Recipe of the stage.
        num_classes: C.

    Returns:
        Images, unchanged uint8 or float32 in 0 to 255; and labels, or shares of the classes float32
        (B, C).

    References:
        Cubuk et al., RandAugment, NeurIPS 2020. Zhang et al., mixup, ICLR 2018.
        Yun et al., CutMix, ICCV 2019.
    """
    mixes = [name for name in ('mixup', 'cutmix') if getattr(recipe, name)]
    if not (mixes or recipe.rand_augment):
        return image, label
    x = image.permute(0, 3, 1, 2).float() / 255
    if recipe.rand_augment:
        from kornia.augmentation.auto import RandAugment

        x = RandAugment(n=2, m=recipe.rand_augment)(x)
    target = label
    if mixes:
        name = mixes[int(torch.randint(len(mixes), ()))]
        x, pairs = _mixer(name, getattr(recipe, name))(x, label)
        first, second, share = pairs.reshape(-1, 3).unbind(1)
        if name == 'cutmix':  # kornia gives the share of the first label here, for mixup the second
            share = 1 - share
        hot = [F.one_hot(classes.long(), num_classes).float() for classes in (first, second)]
        target = torch.lerp(hot[0], hot[1], share[:, None].float())
    return (255 * x).clamp(0, 255).permute(0, 2, 3, 1), target


def _mixer(name: str, alpha: float) -> Any:
    import kornia.augmentation as kornia

    if name == 'cutmix':
        return kornia.RandomCutMixV2(
            p=1.0, beta=alpha, data_keys=['input', 'class'], use_correct_lambda=True
        )
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    return kornia.RandomMixUpV2(
        lambda_val=torch.tensor([share, share]), p=1.0, data_keys=['input', 'class']
    )
