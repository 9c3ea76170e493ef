"""The command `train`: from a recipe and a data set to a run folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from model_export.errors import ModelExportError

HELP = 'train a recipe; continues after a kill'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument('recipe', type=Path, help='YAML recipe, see config/recipes/')
    parser.add_argument('--data', type=Path, required=True, help='folder with the data set')
    parser.add_argument('--out', type=Path, required=True, help='folder of the run')
    parser.add_argument(
        '--init',
        type=Path,
        help="start from trained weights: ours, or a file or folder of other people's",
    )


def run(args: argparse.Namespace) -> None:
    """Do what the command line says."""
    train(args.recipe, args.data, args.out, init=args.init)


def train(recipe_path: Path, data: Path, out: Path, *, init: Path | None) -> None:
    """Train a recipe on the train split of a data set into a run folder, or continue it.

    Args:
        recipe_path: YAML file of the recipe.
        data: Folder of the data set.
        out: Folder of the run.
        init: Weights to start from; ignored where the run is continued.

    Raises:
        ModelExportError: The recipe, the data or the weights do not fit, or the training fails.
    """
    import torch

    from model_export.network.early_exit import EarlyExitViT
    from model_export.pretrained import start_from
    from model_export.recipe.recipe import load_recipe
    from model_export.training.schemes import check_stages
    from model_export.training.trainer import Trainer

    recipe = load_recipe(recipe_path)
    check_stages(recipe)
    torch.manual_seed(recipe.seed)
    model = EarlyExitViT(recipe)  # before the data, which may take minutes to read
    if init and (out / 'checkpoint.pt').exists():
        print(f'{out} is continued; --init {init} is ignored')
    elif init:
        print(start_from(model, init))
    if recipe.task == 'regression':
        from model_export.data.values import load_halves

        parts = load_halves(data, recipe)
        trainer = Trainer(model, parts.training, parts.held_out, out, data=parts.fingerprint)
    else:
        from model_export.data import fingerprint, load_split, split_held_out

        dataset = load_split(data, 'train', recipe.backbone.image_size)
        if len(dataset.class_names) != recipe.num_classes:
            raise ModelExportError(
                f'{data} has {len(dataset.class_names)} classes, {recipe_path} says num_classes: '
                f'{recipe.num_classes}'
            )
        known = fingerprint(dataset)
        training, held_out = split_held_out(dataset, recipe.held_out, recipe.held_out_seed)
        trainer = Trainer(model, training, held_out, out, data=known)
    trainer.run()
    if not trainer.fabric.is_global_zero:
        return
    export_command = 'export-regression' if recipe.task == 'regression' else 'export'
    print(
        f'trained: {out}. Next: python -m model_export {export_command} {out} --data {data} '
        f'--out ...'
    )
