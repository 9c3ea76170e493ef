"""Models of timm at full size with random weights: their own logits, and every exit in the file.

    build/backbones_venv/bin/python -m benchmarks.timm_models --document docs/your_own_model.md

Each is made by timm with weights that are nowhere at their initial value, saved, and taken by ours
from the file. Its last exit is compared with timm's model, and every exit, forced on each image, in
ONNX Runtime with torch, as one graph and in stages.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import onnx
import timm
import torch
from safetensors.torch import save_file
from tqdm import tqdm

from benchmarks.random_file import write_random
from benchmarks.report_file import Cell, Report, Table, add_options, machine
from model_export.export.check import check
from model_export.export.onnx_writer import round_weights_to_half
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import fold
from model_export.planner import place
from model_export.pretrained import start_from
from model_export.recipe.recipe import Recipe, recipe_from_dict

MODELS = {
    'vit_small_patch14_reg4_dinov2': 224,
    'vit_small_patch16_dinov3': 224,
    'eva02_tiny_patch14_224': 224,
    'vit_base_patch16_siglip_224': 224,
    'deit3_small_patch16_224': 224,
    'swin_tiny_patch4_window7_224': 224,
    'vit_tiny_r_s16_p8_224': 224,
    'coatnet_0_rw_224': 224,
}
CLASSES, EXITS, IMAGES = 100, 2, 1
COLUMNS = (
    'model', 'layers', 'width', 'patches a side', 'parameters, M', 'GMACs', 'exits after',
    'last exit off timm', 'exits off torch',
)  # fmt: skip


def recipe_of(name: str, image_size: int) -> Recipe:
    """A recipe with exits where the planner puts them."""
    data = {
        'name': name,
        'num_classes': CLASSES,
        'backbone': {'kind': 'timm', 'model': name, 'image_size': image_size},
        'exits': [{'layer': 1, 'head': 'mean'}],
    }
    recipe = recipe_from_dict(data)
    exits = place(recipe.backbone, EXITS, num_classes=CLASSES)
    return dataclasses.replace(recipe, exits=exits)


@torch.no_grad()
def peer_of(name: str, image_size: int) -> Any:
    """Timm's model; gains that begin near 0 are 1, or its layers would do next to nothing."""
    torch.manual_seed(0)
    sized = {} if name.startswith('coatnet') else {'img_size': image_size}
    model = timm.create_model(name, num_classes=CLASSES, **sized)
    for parameter in model.parameters():
        if parameter.ndim == 1 and 0 < parameter.abs().max() < 0.5:
            parameter.fill_(1.0)
        parameter.add_(0.01 * torch.randn_like(parameter))
    return model.eval()


@torch.no_grad()
def row_of(name: str, image_size: int, folder: Path) -> list[Cell]:
    """One row of the table."""
    recipe, peer = recipe_of(name, image_size), peer_of(name, image_size)
    model = EarlyExitViT(recipe).eval()
    weights = folder / 'model.safetensors'
    save_file({key: tensor.contiguous() for key, tensor in peer.state_dict().items()}, weights)
    start_from(model, weights)
    image = torch.randint(0, 256, (IMAGES, image_size, image_size, 3), dtype=torch.uint8)
    mean, std = torch.tensor(recipe.backbone.mean), torch.tensor(recipe.backbone.std)
    expected = peer(((image / 255 - mean) / std).permute(0, 3, 1, 2))
    logits = float((model(image)[-1] - expected).abs().max())
    folded = fold(model)
    round_weights_to_half(folded)
    macs = write_random(folded, folder / 'model.onnx')
    answers = check(onnx.load(folder / 'model.onnx'), folded, image.numpy())
    shapes = [recipe.backbone.exit_shape(layer + 1) for layer in range(recipe.backbone.layers)]
    widths, grids = (sorted({shape[i] for shape in shapes}) for i in (0, 1))
    return [
        f'`{name}`',
        recipe.backbone.layers,
        ' to '.join(str(width) for width in sorted({widths[0], widths[-1]})),
        ' to '.join(str(grid) for grid in sorted({grids[0], grids[-1]}, reverse=True)),
        sum(parameter.numel() for parameter in peer.parameters()) / 1e6,
        macs.backbone / 1e9,
        ', '.join(str(layer) for layer in model.exit_layers),
        f'{logits:.0e}',
        f'{answers:.0e}',
    ]


def main() -> None:
    """Try every model, print the table, and put it into a document if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    add_options(parser, 'timm_models')
    args = parser.parse_args()
    before = machine('timm', 'torch')
    rows = []
    for name, image_size in tqdm(MODELS.items(), unit='model'):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row_of(name, image_size, Path(folder)))
        tqdm.write(str(rows[-1]))
    notes = [
        f'Random weights, {IMAGES} random image of {next(iter(MODELS.values()))} pixels.',
        '"off timm" is the largest difference of a logit, "off torch" that of a probability, at '
        'any exit, as one graph or in stages.',
    ]
    report = Report('Models of timm', before, [Table('Models of timm', COLUMNS, rows)], notes)
    report.deliver(args, 'timm_models')


if __name__ == '__main__':
    main()
