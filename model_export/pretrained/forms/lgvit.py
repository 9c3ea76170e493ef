"""LGViT's own checkpoints on ViT and DeiT, exit heads included, such as the one on CIFAR-100.

The backbone's names are Hugging Face's for DeiT, whatever the backbone. The n-th exit head is
`deit.encoder.highway.n`; which layer it follows stands only in `config.json`.

References:
    Xu et al., LGViT, ACM MM 2023, and its code (falcon-xu/LGViT).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from model_export.pretrained.forms import hugging_face
from model_export.pretrained.forms.weight_format import State, WeightFormat, rename
from model_export.recipe.recipe import BackboneRecipe

HIGHWAY = 'deit.encoder.highway.'
CLASSIFIERS: dict[str, str | None] = {
    'classifier.*': 'classifier.*',
    'cls_classifier.*': 'classifier.of_class.*',
    'distillation_classifier.*': 'classifier.of_distillation.*',
}
# The three kinds of head, by a name that only it has: global aggregation, local perception with
# `kernel` 3 and with `kernel` 1.
GLOBAL: dict[str, str | None] = {'mlp.qkv.*': 'neck.qkv.*', 'mlp.proj.*': 'neck.proj.*'}
LOCAL_3: dict[str, str | None] = {
    'mlp.conv1.0.*': 'neck.expand.0.*',
    'mlp.conv1.2.*': 'neck.depthwise.0.*',
    'mlp.proj.*': 'neck.depthwise.1.*',
    'mlp.proj_bn.*': 'neck.norm.*',
    'mlp.conv2.0.*': 'neck.project.*',
    'mlp.conv2.1.*': 'neck.project_norm.*',
}
LOCAL_1: dict[str, str | None] = {
    'mlp.conv1.0.*': 'neck.expand.0.*',
    'mlp.conv1.2.*': 'neck.norm.*',
    'mlp.conv2.0.*': 'neck.project.*',
    'mlp.conv2.1.*': 'neck.project_norm.*',
}


def head_table(head: Mapping[str, Tensor]) -> dict[str, str | None]:
    """Return the table of one head, given its tensors."""
    if 'mlp.qkv.weight' in head:
        return {**GLOBAL, **CLASSIFIERS}
    return {**(LOCAL_3 if 'mlp.proj_bn.weight' in head else LOCAL_1), **CLASSIFIERS}


def _recognises(state: Mapping[str, Tensor]) -> bool:
    return any(name.startswith(HIGHWAY) for name in state)


def _convert(state: State, recipe: BackboneRecipe) -> State:
    heads: dict[str, State] = {}
    backbone: State = {}
    for name, tensor in state.items():
        if name.startswith(HIGHWAY):
            number, _, rest = name.removeprefix(HIGHWAY).partition('.')
            heads.setdefault(number, {})[rest] = tensor
        else:
            backbone[name] = tensor
    converted = hugging_face.FORMAT.convert(backbone, recipe)
    for number, head in heads.items():
        for name, tensor in rename(head, head_table(head)).items():
            converted[f'heads.{number}.{name}'] = tensor
    return converted


FORMAT = WeightFormat("LGViT's own ViT or DeiT", _recognises, _convert)
