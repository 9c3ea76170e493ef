"""Make a model of timm by its name, with random weights: nothing is downloaded."""

from __future__ import annotations

import difflib
import importlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from model_export.errors import ModelExportError

if TYPE_CHECKING:
    from torch import nn

# With it positions would be computed anew for each image.
_FOR_ONE_SIZE = {'dynamic_img_size': False}
_OPTIONAL = ('img_size', *_FOR_ONE_SIZE)


def timm() -> Any:
    """Return the package.

    Raises:
        ModelExportError: It is not installed.
    """
    try:
        return importlib.import_module('timm')
    except (ImportError, RuntimeError, OSError) as err:  # torchvision of another torch: the latter
        raise ModelExportError(
            f'kind: timm needs timm, which cannot be imported ({first_line(err)}): pip install '
            f"'.[timm]', in an environment where torchvision fits torch"
        ) from err


def known_name(name: str) -> str:
    """Return the name of a model as timm's own list has it, with the tag of its weights, if any.

    The owner that the hub puts in front (`timm/NAME`) is left out.

    Raises:
        ModelExportError: There is no such model; names the nearest.
    """
    own = name.removeprefix('hf-hub:').removeprefix('hf_hub:').removeprefix('timm/')
    base = own.partition('.')[0]
    if timm().is_model(base):
        return own
    near = difflib.get_close_matches(base, timm().list_models(), 5, 0.5)
    raise ModelExportError(
        f'timm {timm().__version__} has no model {name!r}. '
        + (f'Nearest are {", ".join(near)}' if near else 'timm.list_models() lists them')
    )


def create_model(
    name: str,
    image_size: int,
    num_classes: int,
    params: Mapping[str, Any],
    weights: Mapping[str, Any] | None = None,
) -> Any:
    """Make a model.

    Args:
        name: As timm's list has it.
        image_size: Height and width of images.
        num_classes: Outputs of its classifier; 0 for none.
        params: More of what the model's class takes.
        weights: What timm is to load into it, as `pretrained_cfg_overlay`.

    Raises:
        ModelExportError: There is no such model, it takes no such parameter, or not this size.
    """
    given = {**_FOR_ONE_SIZE, 'img_size': image_size, **params, 'num_classes': num_classes}
    if weights is not None:
        given |= {'pretrained': True, 'pretrained_cfg_overlay': weights}
    name = known_name(name)
    try:
        model = _create(name, given, optional=[key for key in _OPTIONAL if key not in params])
    except (TypeError, ValueError, RuntimeError, AssertionError, KeyError, AttributeError) as err:
        words = ''.join(f', {key}: {value!r}' for key, value in params.items())
        raise ModelExportError(
            f'timm cannot make {name} with image_size: {image_size}{words}: {first_line(err)}'
        ) from err
    _check_patches(model, name, image_size)
    return model


def _create(name: str, given: dict[str, Any], optional: list[str]) -> Any:
    """Make a model without those of the `optional` arguments that its class does not take."""
    while True:
        try:
            return timm().create_model(name, **given)
        except TypeError as err:
            unknown = next((key for key in optional if f"'{key}'" in str(err)), None)
            if unknown is None:
                raise
            optional.remove(unknown)
            del given[unknown]


def pixels_of(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of the pixels that a model's weights were trained on."""
    found = timm().models.get_pretrained_cfg(known_name(name))
    return tuple(found.mean), tuple(found.std)


def _check_patches(model: nn.Module, name: str, image_size: int) -> None:
    """Refuse an image that patches do not fill: timm would leave out the rest without a word."""
    sides = getattr(getattr(model, 'patch_embed', None), 'patch_size', None)
    side = math.lcm(*sides) if isinstance(sides, tuple) else sides
    if isinstance(side, int) and image_size % side:
        least = max(1, image_size // side) * side
        raise ModelExportError(
            f'image_size must be a multiple of {side}, the patches of {name}: {least} or '
            f'{least + side}. Got {image_size}'
        )


def first_line(err: BaseException) -> str:
    """Return the first line of an error, or its kind where it says nothing."""
    return str(err).strip().partition('\n')[0] or type(err).__name__
