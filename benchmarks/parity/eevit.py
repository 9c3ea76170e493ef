"""The EEViT thesis' own code, run from a checkout, as a peer: LGViT's heads on a ViT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.checkout import modules_in
from benchmarks.parity.lgvit import EXITS, POSITIONS, SIZES
from benchmarks.parity.peers import CLASSES, Peer, randomise, recipe_of

GAH_HEADS = 8
THEIR_HEADS = ('conv1_1', 'conv1_1', 'conv2_1', 'conv2_1') + 4 * ('attention',)
RATIOS = ({}, {}, {}, {}, {'sr_ratio': 2}, {'sr_ratio': 2}, {'sr_ratio': 3}, {'sr_ratio': 3})


def eevit_vit(checkout: Path, seed: int) -> Peer:
    """The thesis' ViT with the eight exits of its configuration file."""
    arguments, eevit = modules_in(checkout, 'utils.arg_utils', 'eevit.eevit')
    width, heads = SIZES['width'], SIZES['attention_heads']
    exits = arguments.EarlyExitsConfig(
        enabled=True,
        embed_depth=width,
        num_classes=CLASSES,
        num_attn_heads=GAH_HEADS,
        confidence_threshold=2.0,  # never reached
        exits=[
            [layer - 1, head, ratio]  # theirs count from 0
            for layer, head, ratio in zip(POSITIONS, THEIR_HEADS, RATIOS, strict=True)
        ],
    )
    config = arguments.ModelConfig(
        channels_num=3,
        image_size=SIZES['image_size'],
        num_classes=CLASSES,
        embed_depth=width,
        patch_size=SIZES['patch_size'],
        num_attn_heads=heads,
        mlp_dim=4 * width,
        dim_head=width // heads,
        num_layers_transformer=SIZES['layers'],
        early_exit_config=exits,
    )
    model: Any = randomise(eevit.EEVIT(config=config), seed)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-12  # LGViT's, whose weights it loads; the code leaves torch's 1e-5

    def logits(pixels: Tensor) -> Tensor:
        """One image at a time, as the model takes them; hooks see the logits of every exit."""
        seen: list[Tensor] = []
        classifiers = [model.transformer.layers[p - 1].highway.classifier for p in POSITIONS]
        hooks = [
            module.register_forward_hook(lambda _, __, output: seen.append(output))
            for module in (*classifiers, model.last_exit)
        ]
        for image in pixels:
            model(image[None])
        for hook in hooks:
            hook.remove()
        return torch.cat(seen).unflatten(0, (len(pixels), -1)).transpose(0, 1)

    return Peer(model, logits, dict(model.state_dict()), recipe_of(dict(SIZES), EXITS))
