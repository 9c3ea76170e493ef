"""The YAML recipe: one file that says what a model is and how it is trained.

Every class checks itself when it is made, so a wrong recipe fails before any data is read.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_export.errors import ModelExportError
from model_export.recipe.checked import build, in_range, read_yaml
from model_export.recipe.timm_backbone import TimmRecipe

BACKBONE_KINDS = ('vit', 'deit', 'swin')
TASKS = ('classification', 'regression')


@dataclass(frozen=True)
class BackboneRecipe:
    """The network without exits. Sizes in pixels; `mean` and `std` per RGB channel of [0, 1].

    Attributes:
        kind: `vit` (also DINOv2), `deit` (a distillation token and two classifiers) or `swin`.
        width: Channels of a token; for swin those of the first stage, doubled by each that follows.
        attention_heads: Heads of a layer; for swin of the first stage, doubled likewise.
        layer_scale: A gain per channel on each residual branch (vit and deit).
        registers: Number of extra tokens without a patch, which no classifier reads (vit).
        depths: Layers of each stage (swin); `layers` is their sum.
        window: Patches along one side of an attention window (swin).
    """

    image_size: int = 224
    patch_size: int = 16
    width: int = 768
    layers: int = 12
    attention_heads: int = 12
    mlp_ratio: float = 4.0
    layer_scale: bool = False
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    kind: str = 'vit'
    registers: int = 0
    depths: tuple[int, ...] = ()
    window: int = 7

    def __post_init__(self) -> None:
        """Refuse values out of range, sizes that do not divide, and what the kind has not."""
        for name in ('image_size', 'patch_size', 'width', 'attention_heads', 'mlp_ratio', 'window'):
            in_range(self, name, lambda value: value > 0, 'positive')
        in_range(self, 'layers', lambda value: 2 <= value <= 255, 'in 2 to 255')
        in_range(self, 'std', lambda values: min(values) > 0, 'positive')
        known = (*BACKBONE_KINDS, 'timm')
        in_range(self, 'kind', lambda value: value in BACKBONE_KINDS, f'one of {known}')
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
        if self.kind == 'vit':
            in_range(self, 'registers', lambda value: value >= 0, 'at least 0')
        else:
            in_range(self, 'registers', lambda value: value == 0, f'0 for kind {self.kind}')
        if self.kind != 'swin':
            in_range(self, 'depths', lambda value: not value, f'absent for kind {self.kind}')
            return
        in_range(self, 'layer_scale', lambda value: not value, 'false for kind swin')
        in_range(self, 'depths', lambda value: value and min(value) > 0, 'the layers of each stage')
        if self.layers != sum(self.depths):
            raise ModelExportError(
                f'layers must be the sum of depths {list(self.depths)}, {sum(self.depths)}. '
                f'Got {self.layers}'
            )

    @property
    def grid(self) -> int:
        """Patches along one side of the image."""
        return self.image_size // self.patch_size

    @property
    def class_tokens(self) -> int:
        """Number of tokens before the patches that a head sees: 1, in a DeiT 2."""
        return 2 if self.kind == 'deit' else 1

    @property
    def hierarchical(self) -> bool:
        """Whether tokens change their shape on the way."""
        return self.kind == 'swin'

    @property
    def words(self) -> str:
        """What it is, in words."""
        return (
            f'{self.kind} of {self.layers} layers, width {self.width}, {self.image_size} pixels '
            f'in patches of {self.patch_size}'
        )

    def heads_at(self, layer: int) -> int:
        """Return the attention heads of `layer`."""
        return self.attention_heads * self.exit_shape(layer)[0] // self.width

    def exit_shape(self, layer: int) -> tuple[int, int]:
        """Return the width, and the patches along one side, of tokens after `layer` (from 1)."""
        if self.kind != 'swin':
            return self.width, self.grid
        stage, left = 0, layer - self.depths[0]
        while left > 0:
            stage += 1
            left -= self.depths[stage]
        return self.width * 2**stage, -(-self.grid // 2**stage)  # an odd grid is padded


@dataclass(frozen=True)
class ExitRecipe:
    """One early exit: after which layer (counted from 1), which head, and the head's parameters."""

    layer: int
    head: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StageRecipe:
    """One training stage: what is trained, and how. Fractions are of the image's side.

    Attributes:
        scheme: Name of the training scheme, see `model_export/training/schemes`.
        params: Parameters of the scheme.
        min_steps: Steps to take at least, if `epochs` make fewer: an epoch of few images is short.
        learning_rate: Peak rate, reached after `warmup_steps`; it then falls to 0 by cosine.
        layer_decay: Factor of the rate from one layer to the one below; 1 means all alike.
        ema: Decay per step of the moving average of the weights that is kept; 0 means none.
        crop_padding: Mirrored border from which crops may reach outside the image.
        min_crop: Smallest crop.
        mixup: Alpha of mixup's beta distribution; 0 means none.
        cutmix: Alpha of CutMix's beta distribution; 0 means none. With both, each step takes one.
        rand_augment: Magnitude of RandAugment's two operations, up to 30; 0 means none.
        cache_features: Whether a frozen backbone runs only once for each image and its tokens are
            kept in memory. Images are then not augmented.
    """

    scheme: str
    params: dict[str, Any] = field(default_factory=dict)
    epochs: float = 4.0
    min_steps: int = 0
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_steps: int = 100
    layer_decay: float = 1.0
    label_smoothing: float = 0.0
    ema: float = 0.0
    crop_padding: float = 0.125
    min_crop: float = 1.0
    mixup: float = 0.0
    cutmix: float = 0.0
    rand_augment: int = 0
    cache_features: bool = False

    def __post_init__(self) -> None:
        """Refuse values out of range, and augmentation of images that are seen only once."""
        for name in ('epochs', 'batch_size', 'learning_rate'):
            in_range(self, name, lambda value: value > 0, 'positive')
        for name in ('min_steps', 'weight_decay', 'warmup_steps', 'mixup', 'cutmix'):
            in_range(self, name, lambda value: value >= 0, 'at least 0')
        for name in ('layer_decay', 'min_crop'):
            in_range(self, name, lambda value: 0 < value <= 1, 'in (0, 1]')
        for name in ('label_smoothing', 'crop_padding'):
            in_range(self, name, lambda value: 0 <= value <= 1, 'in [0, 1]')
        in_range(self, 'ema', lambda value: 0 <= value < 1, 'in [0, 1)')
        in_range(self, 'rand_augment', lambda value: 0 <= value <= 30, 'in 0 to 30')
        if self.cache_features:
            for name in ('mixup', 'cutmix', 'rand_augment'):
                in_range(self, name, lambda value: not value, '0 with cache_features')


@dataclass(frozen=True)
class Recipe:
    """A whole model: backbone, exits and the training stages, one after the other.

    `held_out` images of the training data, the same number a class, are never trained on: they
    serve to watch the training and to choose temperatures and thresholds. `held_out_seed` chooses
    them, and `seed` decides all else that is random; a file without the former means the same seed.
    `training_data` and `licence` are words for the model file's metadata; changing them does not
    change the model.
    `task` is what the model answers with: one of `num_classes` classes, or, for `regression`, one
    number (`num_classes: 1`) that counts in `unit`, a word for the metadata.
    """

    name: str
    backbone: BackboneRecipe | TimmRecipe
    exits: tuple[ExitRecipe, ...]
    num_classes: int = 100
    seed: int = 0
    held_out: int = 5000
    held_out_seed: int = 0
    stages: tuple[StageRecipe, ...] = (StageRecipe('backbone'), StageRecipe('classifier_wise'))
    training_data: str = field(default='', compare=False)
    licence: str = field(default='', compare=False)
    task: str = 'classification'
    unit: str = field(default='', compare=False)

    def __post_init__(self) -> None:
        """Refuse values out of range, and exits out of order or out of the backbone."""
        in_range(self, 'task', lambda value: value in TASKS, f'one of {TASKS}')
        if self.task == 'regression':
            self._check_regression()
        else:
            in_range(self, 'num_classes', lambda value: value >= 2, 'at least 2')
            in_range(self, 'unit', lambda value: not value, 'absent for task classification')
        for name in ('seed', 'held_out_seed'):
            in_range(self, name, lambda value: value >= 0, 'at least 0')
        in_range(self, 'held_out', lambda value: value > 0, 'positive')
        in_range(self, 'stages', len, 'at least one')
        layers = [exit.layer for exit in self.exits]
        if not layers or layers != sorted(set(layers)):
            raise ModelExportError(f'exits must have distinct, rising layers. Got {layers}')
        if not (layers[0] >= 1 and layers[-1] < self.backbone.layers):
            raise ModelExportError(
                f'exits must lie after layers 1 to {self.backbone.layers - 1}: the final '
                f'classifier follows layer {self.backbone.layers}. Got {layers}'
            )

    def _check_regression(self) -> None:
        in_range(self, 'num_classes', lambda value: value == 1, '1 for task regression')
        for stage in self.stages:
            for name in ('mixup', 'cutmix', 'label_smoothing'):
                in_range(stage, name, lambda value: not value, '0 for task regression')


def load_recipe(path: Path) -> Recipe:
    """Read a recipe file.

    Whether its training schemes exist is not checked here: `training.schemes.check_stages` does.

    Raises:
        ModelExportError: The file is missing, is not YAML, or a value does not fit.
    """
    return recipe_from_dict(read_yaml(path, 'recipe'))


def recipe_from_dict(data: dict[str, Any]) -> Recipe:
    """Build a recipe from what YAML holds (also stored in checkpoints)."""
    if not isinstance(data, dict):
        raise ModelExportError(f'a recipe is a mapping. Got {type(data).__name__}')
    data = dict(data)
    data['backbone'] = backbone_from_dict(data.get('backbone'))
    exits = data.get('exits') or []
    if not isinstance(exits, list):
        raise ModelExportError(f'exits must be a list. Got {exits!r}')
    data['exits'] = [build(ExitRecipe, f'exits[{i}]', entry) for i, entry in enumerate(exits)]
    if 'stages' not in data and {'stage1', 'stage2'} & set(data):
        data['stages'] = _two_stages(data.pop('stage1', {}), data.pop('stage2', {}))
    if 'stages' in data:
        stages = data['stages']
        if not isinstance(stages, list):
            raise ModelExportError(f'stages must be a list. Got {stages!r}')
        data['stages'] = [build(StageRecipe, f'stages[{i}]', s) for i, s in enumerate(stages)]
    data.setdefault('held_out_seed', data.get('seed', 0))
    return build(Recipe, 'recipe', data)


def backbone_from_dict(data: Any) -> BackboneRecipe | TimmRecipe:
    """Build the `backbone` of a recipe from what YAML holds."""
    if isinstance(data, dict) and data.get('kind') == 'timm':
        return build(TimmRecipe, 'backbone', data)
    return build(BackboneRecipe, 'backbone', data)


def _two_stages(stage1: Any, stage2: Any) -> list[Any]:
    """Return the stages of a file written before recipes held a list of them."""
    if not (isinstance(stage1, dict) and isinstance(stage2, dict)):
        raise ModelExportError(f'stage1 and stage2 must be mappings. Got {stage1!r}, {stage2!r}')
    distill = ('distill_weight', 'distill_temperature')  # without effect in stage 1
    return [
        {'scheme': 'backbone', **{k: v for k, v in stage1.items() if k not in distill}},
        {
            'scheme': 'classifier_wise',
            'params': {k: stage2[k] for k in distill if k in stage2},
            **{k: v for k, v in stage2.items() if k not in distill},
        },
    ]


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as plain dictionaries and lists, for `recipe_from_dict`."""
    data: dict[str, Any] = _plain(dataclasses.asdict(recipe))
    if recipe.held_out_seed == recipe.seed:
        del data['held_out_seed']  # as files from before there was one: hashes of recipes stay
    for stage in data['stages']:
        if not stage['min_steps']:
            del stage['min_steps']  # likewise
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
