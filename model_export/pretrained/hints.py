"""What weights say about themselves: models that are not supported, and the recipe that fits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from model_export.recipe.recipe import BackboneRecipe

# A pattern within a name that only this model has; timm has models of the first kinds.
_TIMM = (
    (r'(^|\.)(pre_layrnorm|ln_pre|norm_pre)\.', 'a CLIP, which has a norm before the first layer'),
    (r'(^|\.)(attn_pool\.|head\.probe$)', 'a SigLIP, whose classifier is attention'),
    (r'(^|\.)(vision_model|text_model)\.', 'a CLIP or SigLIP'),
    (r'\.(logit_scale|cpb_mlp\..*|continuous_position_bias_mlp\..*)$', 'a Swin V2'),
    (
        r'(^|\.)(rope_embed\..*|storage_tokens|mlp\.up_proj\..*)$',
        'a DINOv3, whose positions are rotary',
    ),
    (r'(^|\.)rope\.', 'a ViT with rotary positions'),
    (r'(^|\.)(lambda_1|gamma_1)$|relative_position_bias\.', "a BEiT, an EVA or timm's DINOv3"),
    (r'(^|\.)fc_norm\.', "a ViT whose classifier reads the patches' mean"),
    (r'\.(q_norm|k_norm)\.', 'a ViT with norms of queries and keys'),
    (r'\.mlp\.(w12|w1|fc1_g|weights_in)\.', 'a ViT with a gated MLP (SwiGLU)'),
)
_UNSUPPORTED = (
    (r'\.lora_[AB]\.', 'LoRA adapters, which must be merged into their model first'),
    *_TIMM,
    (r'(^|\.)(decode_head|roi_head|bbox_head|mask_head)\.', 'a model of segmentation or detection'),
    (r'(^|\.)layer1\.0\.conv1\.', 'a ResNet'),
    (r'(^|\.)(conv_dw|dwconv)\.|features\.1\.0\.block\.', 'a convolutional network'),
)


def unsupported(names: Iterable[str]) -> str:
    """Return which unsupported model has such names, in words; empty if none is known."""
    names = list(names)
    for pattern, what in _UNSUPPORTED:
        for name in names:
            if re.search(pattern, name):
                cure = (
                    'kind: timm may take it, and python -m model_export describe FOLDER says how'
                    if (pattern, what) in _TIMM
                    else 'that is not supported'
                )
                return f'{name} is of {what}; {cure}'
    return ''


def backbone_in(state: Mapping[str, Tensor], converted: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return what tensors tell of their backbone, as a recipe says it.

    Args:
        state: The file's own names.
        converted: Ours; of a Swin they may be those of another recipe.
    """
    patches = next((t for t in state.values() if t.ndim == 4 and t.shape[1] == 3), None)
    if patches is None:
        return {}
    found: dict[str, Any] = {'patch_size': patches.shape[-1], 'width': patches.shape[0]}
    depths = _depths(state)
    if depths:
        table = next(t for name, t in state.items() if name.endswith('position_bias_table'))
        window = (round(len(table) ** 0.5) + 1) // 2
        found |= {'kind': 'swin', 'layers': sum(depths), 'depths': depths, 'window': window}
        found |= {'attention_heads': table.shape[1], 'layer_scale': False, 'registers': 0}
    else:
        found |= _of_vit(converted)
    hidden = re.compile(r'.*0\.(mlp\.(fc1|0|linear_1)|intermediate\.dense)\.weight')
    first = next((t for name, t in state.items() if hidden.fullmatch(name)), None)
    if first is not None:
        found['mlp_ratio'] = len(first) / first.shape[1]
    return found


def recipe_hint(found: Mapping[str, Any], recipe: BackboneRecipe) -> str:
    """Return the lines of `backbone:` that would fit, in words; empty if they are as they are."""
    ours = {key: getattr(recipe, key) for key in found}
    lines = {key: value for key, value in found.items() if value != ours[key]}
    if not lines:
        return ''
    if 'width' in lines and found['kind'] != 'swin':
        lines['attention_heads'] = found['width'] // 64 or 1  # of nearly all ViTs
    if recipe.image_size % found['patch_size']:
        lines['image_size'] = 224 // found['patch_size'] * found['patch_size']
    words = ', '.join(f'{key}: {_yaml(value)}' for key, value in lines.items())
    return f'To take it, write in the recipe under backbone: {words}'


def _of_vit(converted: Mapping[str, Tensor]) -> dict[str, Any]:
    names = set(converted)
    layers = [int(m[1]) for name in names if (m := re.match(r'backbone\.blocks\.(\d+)\.', name))]
    registers = converted.get('backbone.register_tokens')
    return {
        'kind': 'deit' if 'backbone.dist_token' in names else 'vit',
        'layers': 1 + max(layers, default=-1),
        'layer_scale': 'backbone.blocks.0.scale1.gain' in names,
        'registers': 0 if registers is None else registers.shape[1],
        'depths': (),
    }


def _depths(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Return the layers of each stage of a Swin; torchvision's stages have odd numbers."""
    stages: dict[int, int] = {}
    for name in state:
        match = re.search(r'(?:layers\.(\d+)\.blocks|features\.(\d+))\.(\d+)\.(?:attn|atten)', name)
        if match:
            stage = int(match[1]) if match[1] else (int(match[2]) - 1) // 2
            stages[stage] = max(stages.get(stage, 0), int(match[3]) + 1)
    return tuple(stages[stage] for stage in sorted(stages))


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)
