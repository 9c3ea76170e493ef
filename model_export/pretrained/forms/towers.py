"""Image towers of transformers under timm's names: SigLIP and SigLIP 2, CLIP, DINOv3.

The text tower beside one is left out, and so is the projection that both meet in.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from model_export.pretrained.forms.weight_format import State, join_qkv, rename, without_prefix

_LAYER: dict[str, str | None] = {
    'encoder.layers.#.layer_norm1.*': 'blocks.#.norm1.*',
    'encoder.layers.#.layer_norm2.*': 'blocks.#.norm2.*',
    'encoder.layers.#.self_attn.q_proj.*': 'blocks.#.attn.q.*',
    'encoder.layers.#.self_attn.k_proj.*': 'blocks.#.attn.k.*',
    'encoder.layers.#.self_attn.v_proj.*': 'blocks.#.attn.v.*',
    'encoder.layers.#.self_attn.out_proj.*': 'blocks.#.attn.proj.*',
    'encoder.layers.#.mlp.*': 'blocks.#.mlp.*',
    'embeddings.patch_embedding.*': 'patch_embed.proj.*',
    'embeddings.position_embedding.weight': 'pos_embed',
    'embeddings.position_ids': None,
    'post_layernorm.*': 'norm.*',
}
_SIGLIP: dict[str, str | None] = {
    'head.probe': 'attn_pool.latent',
    'head.attention.in_proj_weight': 'in_proj.weight',
    'head.attention.in_proj_bias': 'in_proj.bias',
    'head.attention.out_proj.*': 'attn_pool.proj.*',
    'head.layernorm.*': 'attn_pool.norm.*',
    'head.mlp.*': 'attn_pool.mlp.*',
}
_CLIP: dict[str, str | None] = {
    'embeddings.class_embedding': 'cls_token',
    'pre_layrnorm.*': 'norm_pre.*',
}
_DINOV3: dict[str, str | None] = {
    'embeddings.cls_token': 'cls_token',
    'embeddings.register_tokens': 'reg_token',
    'embeddings.mask_token': None,
    'embeddings.patch_embeddings.*': 'patch_embed.proj.*',
    'rope_embeddings.*': None,
    'layer.#.norm1.*': 'blocks.#.norm1.*',
    'layer.#.norm2.*': 'blocks.#.norm2.*',
    'layer.#.attention.q_proj.weight': 'blocks.#.attn.q.weight',
    'layer.#.attention.k_proj.weight': 'blocks.#.attn.k.weight',
    'layer.#.attention.v_proj.weight': 'blocks.#.attn.v.weight',
    'layer.#.attention.q_proj.bias': 'blocks.#.attn.q_bias',
    'layer.#.attention.v_proj.bias': 'blocks.#.attn.v_bias',
    'layer.#.attention.o_proj.*': 'blocks.#.attn.proj.*',
    'layer.#.layer_scale1.lambda1': 'blocks.#.gamma_1',
    'layer.#.layer_scale2.lambda1': 'blocks.#.gamma_2',
    'layer.#.mlp.up_proj.*': 'blocks.#.mlp.fc1.*',
    'layer.#.mlp.down_proj.*': 'blocks.#.mlp.fc2.*',
    'norm.*': 'norm.*',
}

# What is not of the tower; a classifier of transformers reads other features than timm's.
_BESIDE = ('logit_scale', 'logit_bias', 'visual_projection.', 'text_projection.', 'classifier.')


def to_timm_names(state: Mapping[str, Tensor]) -> State:
    """Rename the image tower in `state`, if it is one of transformers; else change nothing."""
    tower = without_prefix(
        {name: tensor for name, tensor in state.items() if 'text_model.' not in name},
        'vision_model.',
    )
    if 'layer.0.attention.q_proj.weight' in tower or 'model.layer.0.norm1.weight' in tower:
        return join_qkv(rename(without_prefix(tower, 'model.'), _DINOV3))
    if 'encoder.layers.0.self_attn.q_proj.weight' not in tower:
        return dict(state)
    found = join_qkv(rename(tower, {**_LAYER, **_SIGLIP, **_CLIP}))
    found = {name: tensor for name, tensor in found.items() if not name.startswith(_BESIDE)}
    if 'pos_embed' in found:
        found['pos_embed'] = found['pos_embed'].reshape(1, -1, found['pos_embed'].shape[-1])
    if 'cls_token' in found:
        found['cls_token'] = found['cls_token'].reshape(1, 1, -1)
    for part in ('weight', 'bias'):
        whole = found.pop(f'in_proj.{part}', None)
        if whole is not None:
            query, *others = whole.chunk(3)
            found[f'attn_pool.q.{part}'] = query
            found[f'attn_pool.kv.{part}'] = torch.cat(others)
    return found
