"""The YAML recipe: one file that says what a model is and how it is trained.

Every class checks itself when it is made, so a wrong recipe fails before any data is read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

from model_export.errors import ModelExportError

T = TypeVar('T')


def _in_range(recipe: Any, name: str, holds: Callable[[Any], bool], words: str) -> None:
    value = getattr(recipe, name)
    if not holds(value):
        raise ModelExportError(f'{name} must be {words}. Got {value!r}')


@dataclass(frozen=True)
class BackboneRecipe:
    """The plain ViT. Sizes in pixels; `mean` and `std` per RGB channel of images in [0, 1]."""

    image_size: int = 224
    patch_size: int = 16
    width: int = 768
    layers: int = 12
    attention_heads: int = 12
    mlp_ratio: float = 4.0
    layer_scale: bool = False
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        """Refuse values out of range and sizes that do not divide."""
        for name in ('image_size', 'patch_size', 'width', 'attention_heads', 'mlp_ratio'):
            _in_range(self, name, lambda value: value > 0, 'positive')
        _in_range(self, 'layers', lambda value: 2 <= value <= 255, 'in 2 to 255')
        _in_range(self, 'std', lambda values: min(values) > 0, 'positive')
        if self.image_size % self.patch_size:
            raise ModelExportError(
                f'image_size must be a multiple of patch_size {self.patch_size}. '
                f'Got {self.image_size}'
            )
        if self.width % self.attention_heads:
            raise ModelExportError(
                f'width must be a multiple of attention_heads {self.attention_heads}. '
                f'Got {self.width}'
            )

    @property
    def grid(self) -> int:
        """Patches along one side of the image."""
        return self.image_size // self.patch_size


@dataclass(frozen=True)
class ExitRecipe:
    """One early exit: after which layer (counted from 1), which head, and the head's parameters."""

    layer: int
    head: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StageRecipe:
    """One training stage. `learning_rate` is the peak; it warms up, then falls to 0 by cosine."""

    epochs: float = 4.0
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_steps: int = 100
    layer_decay: float = 1.0
    label_smoothing: float = 0.0
    crop_padding: float = 0.125
    min_crop: float = 1.0
    distill_weight: float = 0.0
    distill_temperature: float = 2.0

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name in ('epochs', 'batch_size', 'learning_rate', 'distill_temperature'):
            _in_range(self, name, lambda value: value > 0, 'positive')
        for name in ('weight_decay', 'warmup_steps'):
            _in_range(self, name, lambda value: value >= 0, 'at least 0')
        for name in ('layer_decay', 'min_crop'):
            _in_range(self, name, lambda value: 0 < value <= 1, 'in (0, 1]')
        for name in ('label_smoothing', 'distill_weight', 'crop_padding'):
            _in_range(self, name, lambda value: 0 <= value <= 1, 'in [0, 1]')


@dataclass(frozen=True)
class Recipe:
    """A whole model: backbone, exits and the two training stages of LGViT (ACM MM 2023).

    `held_out` images of the training data, the same number a class, are never trained on: they
    serve to watch the training and to choose temperatures and thresholds. `training_data` and
    `licence` are words for the model file's metadata; changing them does not change the model.
    """

    name: str
    backbone: BackboneRecipe
    exits: tuple[ExitRecipe, ...]
    num_classes: int = 100
    seed: int = 0
    held_out: int = 5000
    stage1: StageRecipe = StageRecipe()
    stage2: StageRecipe = StageRecipe()
    training_data: str = field(default='', compare=False)
    licence: str = field(default='', compare=False)

    def __post_init__(self) -> None:
        """Refuse values out of range, and exits out of order or out of the backbone."""
        _in_range(self, 'num_classes', lambda value: value >= 2, 'at least 2')
        _in_range(self, 'seed', lambda value: value >= 0, 'at least 0')
        _in_range(self, 'held_out', lambda value: value > 0, 'positive')
        layers = [exit.layer for exit in self.exits]
        if not layers or layers != sorted(set(layers)):
            raise ModelExportError(f'exits must have distinct, rising layers. Got {layers}')
        if not (layers[0] >= 1 and layers[-1] < self.backbone.layers):
            raise ModelExportError(
                f'exits must lie after layers 1 to {self.backbone.layers - 1}: the final '
                f'classifier follows layer {self.backbone.layers}. Got {layers}'
            )


def load_recipe(path: Path) -> Recipe:
    """Read a recipe file.

    Raises:
        ModelExportError: the file is missing, is not YAML, or a value does not fit.
    """
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
        raise ModelExportError(f'cannot read recipe {path}: {err}') from err
    return recipe_from_dict(data)


def recipe_from_dict(data: dict[str, Any]) -> Recipe:
    """Build a recipe from what YAML holds (also stored in checkpoints)."""
    if not isinstance(data, dict):
        raise ModelExportError(f'a recipe is a mapping. Got {type(data).__name__}')
    data = dict(data)
    data['backbone'] = _build(BackboneRecipe, 'backbone', data.get('backbone'))
    exits = data.get('exits') or []
    if not isinstance(exits, list):
        raise ModelExportError(f'exits must be a list. Got {exits!r}')
    data['exits'] = [_build(ExitRecipe, f'exits[{i}]', entry) for i, entry in enumerate(exits)]
    for stage in ('stage1', 'stage2'):
        data[stage] = _build(StageRecipe, stage, data.get(stage, {}))
    return _build(Recipe, 'recipe', data)


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain dictionaries and lists, as `recipe_from_dict` takes it."""
    data: dict[str, Any] = _plain(dataclasses.asdict(recipe))
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _build(cls: type[T], where: str, data: Any) -> T:
    if not isinstance(data, dict):
        raise ModelExportError(f'{where} must be a mapping. Got {data!r}')
    kinds = get_type_hints(cls)
    unknown = sorted(set(data) - set(kinds), key=str)
    if unknown:
        raise ModelExportError(f'{where} has unknown keys {unknown}; known are {sorted(kinds)}')
    try:
        return cls(**{key: _fit(value, kinds[key], key) for key, value in data.items()})
    except (TypeError, ModelExportError) as err:
        raise ModelExportError(f'{where}: {err}') from err


def _fit(value: Any, kind: Any, key: str) -> Any:
    """The value as a field of type `kind` takes it, or an error that names the key."""
    if get_origin(kind) is tuple:
        if isinstance(value, (list, tuple)):
            inner = get_args(kind)
            if inner[-1] is Ellipsis:
                inner = inner[:1] * len(value)
            if len(value) == len(inner):
                return tuple(_fit(v, k, key) for v, k in zip(value, inner, strict=True))
        raise ModelExportError(f'{key} must be a list of {len(get_args(kind))}. Got {value!r}')
    if isinstance(value, bool) and kind is not bool:
        pass  # though Python counts True as 1
    elif kind is float and isinstance(value, (int, float, str)):
        with contextlib.suppress(ValueError):
            number = float(value)  # a string too: YAML takes 1e-3, without a dot, for one
            if math.isfinite(number):
                return number
    elif isinstance(value, get_origin(kind) or kind):
        return value
    words = {int: 'a whole number', float: 'a number', str: 'text', bool: 'true or false'}
    raise ModelExportError(f'{key} must be {words.get(kind, "a mapping")}. Got {value!r}')
