"""Run the peers and keep what they answer, for tests that run without them.

    pip install transformers timm torchvision
    git clone https://github.com/falcon-xu/LGViT
    git clone https://github.com/ionymikler/early_exit_vit
    python -m benchmarks.parity.make_golden --lgvit LGViT --eevit early_exit_vit

Writes one file a peer: its random weights (float16, which they are rounded to), two images, the
logits of every exit (float32), and our recipe in the file's metadata. Prints the largest difference
between its logits and those of our model that was started from its weights.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmarks.parity.eevit import eevit_vit
from benchmarks.parity.lgvit import lgvit_deit, lgvit_vit
from benchmarks.parity.peers import TIMM, TRANSFORMERS, Peer, pixels_of, torchvision_vit
from benchmarks.parity.swin import (
    lgvit_swin,
    timm_swin,
    torchvision_swin,
    transformers_swin,
)
from model_export.network.early_exit import EarlyExitViT
from model_export.pretrained import start_from
from model_export.recipe.recipe import recipe_from_dict

OUT = Path('test/model_export/pretrained/parity')
IMAGES = 2


def main() -> None:
    """Make the files of all peers whose code is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--lgvit', type=Path, required=True, help='checkout of falcon-xu/LGViT')
    parser.add_argument(
        '--eevit', type=Path, required=True, help='checkout of ionymikler/early_exit_vit'
    )
    parser.add_argument('--out', type=Path, default=OUT)
    args = parser.parse_args()
    ready = (*TRANSFORMERS, *TIMM, torchvision_vit, transformers_swin, timm_swin, torchvision_swin)
    makers = {make.__name__: make for make in ready}
    makers['lgvit_vit'] = partial(lgvit_vit, args.lgvit)
    makers['lgvit_deit'] = partial(lgvit_deit, args.lgvit)
    makers['lgvit_swin'] = partial(lgvit_swin, args.lgvit)
    makers['eevit_vit'] = partial(eevit_vit, args.eevit)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, make in makers.items():
        peer = make(seed=0)
        size = peer.recipe['backbone']['image_size']
        generator = torch.Generator().manual_seed(1)
        image = torch.randint(
            0, 256, (IMAGES, size, size, 3), dtype=torch.uint8, generator=generator
        )
        logits = peer.logits(pixels_of(image)).contiguous()
        half = {
            key: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
            for key, tensor in peer.state.items()
        }
        path = args.out / f'{name}.safetensors'
        save_file(
            {**half, 'golden.image': image, 'golden.logits': logits},
            path,
            metadata={'recipe': json.dumps(peer.recipe)},
        )
        difference = (ours(peer, image) - logits).abs().amax().item()
        print(
            f'{name:30} {path.stat().st_size / 1000:6.0f} kB  {len(logits)} exits, logits up to '
            f'{logits.abs().amax():.1f}, largest difference {difference:.1e}'
        )


def ours(peer: Peer, image: torch.Tensor) -> torch.Tensor:
    """The logits (E + 1, B, C) of our model, started from the peer's weights."""
    model = EarlyExitViT(recipe_from_dict(peer.recipe)).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'peer.safetensors'
        save_file({key: tensor.contiguous() for key, tensor in peer.state.items()}, path)
        start_from(model, path)
    with torch.no_grad():
        logits = model(image)
    return logits[-len(peer.logits(pixels_of(image[:1]))) :]  # a recipe has an exit that it lacks


if __name__ == '__main__':
    main()
