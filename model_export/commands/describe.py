"""The command `describe`: the recipe for the weights in a folder from a model hub."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'print the recipe for a folder from a model hub'

_EXITS = 4
_TEMPLATE = """\
# For {folder}. Put in your name, number of classes, and held_out: a multiple of it.
# Then: python -m model_export train recipe.yaml --data DATA --out runs/mine --init {folder}
name: my_model
num_classes: 3
held_out: 150
backbone: {backbone}
{exits}
stages:
  - {{scheme: backbone, epochs: 1, min_steps: 200, batch_size: 32, learning_rate: 3.0e-4,
     warmup_steps: 20, layer_decay: 0.75, label_smoothing: 0.1, min_crop: 0.6}}
  - {{scheme: classifier_wise, params: {{distill_weight: 0.5}}, epochs: 6, min_steps: 100,
     batch_size: 32, learning_rate: 2.0e-3, warmup_steps: 10, cache_features: true}}
training_data: Say what your images are, and how many.
licence: Say under which licence this model is; it starts from {folder}.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument('folder', type=Path, help='config.json and model.safetensors')


def run(args: argparse.Namespace) -> None:
    """Print a recipe that takes the folder's weights, with exits where the planner puts them."""
    import yaml

    from model_export.planner import exits_yaml, place
    from model_export.pretrained.describe import describe
    from model_export.recipe.recipe import backbone_from_dict

    words = describe(args.folder)
    backbone = backbone_from_dict(words)
    exits = place(backbone, min(_EXITS, backbone.layers - 1))
    text = yaml.safe_dump(words, default_flow_style=True, sort_keys=False, width=1000)
    print(
        _TEMPLATE.format(folder=args.folder, backbone=text.strip(), exits=exits_yaml(exits)), end=''
    )
