"""ViT, distilled DeiT and DINOv2 (with and without registers) of Hugging Face's transformers.

Its files keep the names below `encoder.layer`; a model in memory has had shorter ones since
transformers 5. A file without a classifier lacks the model's own prefix.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from model_export.pretrained.forms.weight_format import (
    State,
    WeightFormat,
    join_qkv,
    rename,
    without_prefix,
)
from model_export.recipe.recipe import BackboneRecipe

PREFIXES = ('vit.', 'deit.', 'dinov2_with_registers.', 'dinov2.')
TABLE: dict[str, str | None] = {
    'embeddings.cls_token': 'backbone.cls_token',
    'embeddings.distillation_token': 'backbone.dist_token',
    'embeddings.register_tokens': 'backbone.register_tokens',
    'embeddings.position_embeddings': 'backbone.pos_embed',
    'embeddings.patch_embeddings.projection.*': 'backbone.patch_embed.*',
    'embeddings.mask_token': None,  # of the self-supervised training
    'encoder.layer.#.layernorm_before.*': 'backbone.blocks.#.norm1.*',
    'encoder.layer.#.attention.attention.query.*': 'backbone.blocks.#.attn.q.*',
    'encoder.layer.#.attention.attention.key.*': 'backbone.blocks.#.attn.k.*',
    'encoder.layer.#.attention.attention.value.*': 'backbone.blocks.#.attn.v.*',
    'encoder.layer.#.attention.output.dense.*': 'backbone.blocks.#.attn.proj.*',
    'encoder.layer.#.layernorm_after.*': 'backbone.blocks.#.norm2.*',
    'encoder.layer.#.intermediate.dense.*': 'backbone.blocks.#.mlp.fc1.*',
    'encoder.layer.#.output.dense.*': 'backbone.blocks.#.mlp.fc2.*',
    # DINOv2 has names of its own for these.
    'encoder.layer.#.norm1.*': 'backbone.blocks.#.norm1.*',
    'encoder.layer.#.layer_scale1.lambda1': 'backbone.blocks.#.scale1.gain',
    'encoder.layer.#.norm2.*': 'backbone.blocks.#.norm2.*',
    'encoder.layer.#.mlp.*': 'backbone.blocks.#.mlp.*',
    'encoder.layer.#.layer_scale2.lambda1': 'backbone.blocks.#.scale2.gain',
    'layernorm.*': 'backbone.norm.*',
    'pooler.*': None,  # after the last layer, for tasks other than ours
    'classifier.*': 'backbone.classifier.*',
    'cls_classifier.*': 'backbone.classifier.of_class.*',
    'distillation_classifier.*': 'backbone.classifier.of_distillation.*',
}
LAYERS_IN_MEMORY: dict[str, str | None] = {'layers.#.*': 'encoder.layer.#.*'}
ATTENTION_IN_MEMORY: dict[str, str | None] = {
    'encoder.layer.#.attention.q_proj.*': 'encoder.layer.#.attention.attention.query.*',
    'encoder.layer.#.attention.k_proj.*': 'encoder.layer.#.attention.attention.key.*',
    'encoder.layer.#.attention.v_proj.*': 'encoder.layer.#.attention.attention.value.*',
    'encoder.layer.#.attention.o_proj.*': 'encoder.layer.#.attention.output.dense.*',
}


def _recognises(state: Mapping[str, Tensor]) -> bool:
    names = without_prefix(state, *PREFIXES)
    return 'embeddings.patch_embeddings.projection.weight' in names and (
        'embeddings.cls_token' in names  # which a Swin has not
    )


def _convert(state: State, recipe: BackboneRecipe) -> State:
    state = without_prefix(state, *PREFIXES)
    for table in (LAYERS_IN_MEMORY, ATTENTION_IN_MEMORY, TABLE):
        state = rename(state, table)
    return join_qkv(state)


FORMAT = WeightFormat('a ViT, DeiT or DINOv2 of Hugging Face', _recognises, _convert)
