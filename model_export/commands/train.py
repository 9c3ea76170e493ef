"""The command `train`: from a recipe and a data set to a run folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model_export.commands.reading_options import add_reading_options, reading_of
from model_export.errors import ModelExportError, UsageError

if TYPE_CHECKING:
    from model_export.data import Dataset, Reading

HELP = 'train a recipe; continues after a kill'


_COMPARED = 20_000  # images that are looked at for bursts: two seconds
_FEW = 0.1  # share of images nearly equal to the one before that is no burst


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
    parser.add_argument(
        '--split',
        type=float,
        metavar='SHARE',
        help='of a folder CLASS/*: the share to set aside for tests (default 0.2)',
    )
    add_reading_options(parser)


def run(args: argparse.Namespace) -> None:
    """Do what the command line says."""
    train(
        args.recipe,
        args.data,
        args.out,
        init=args.init,
        reading=reading_of(args),
        share=args.split,
    )


def train(
    recipe_path: Path,
    data: Path,
    out: Path,
    *,
    init: Path | None,
    reading: Reading,
    share: float | None,
) -> None:
    """Train a recipe on the train split of a data set into a run folder, or continue it.

    Args:
        recipe_path: YAML file of the recipe.
        data: Folder of the data set.
        out: Folder of the run.
        init: Weights to start from; ignored where the run is continued.
        reading: How the data are read.
        share: Share of a folder without splits to set aside for tests; None means the usual one.

    Raises:
        ModelExportError: The recipe, the data or the weights do not fit, or the training fails.
    """
    import torch

    from model_export.calibration.warnings import warn_of_depth
    from model_export.data import fingerprint, load_split, split_held_out
    from model_export.data.load import make_test_part
    from model_export.network.early_exit import EarlyExitViT
    from model_export.pretrained import start_from
    from model_export.recipe.recipe import load_recipe
    from model_export.recipe.timm_backbone import TimmRecipe
    from model_export.training.run_folder import only_run
    from model_export.training.schemes import check_stages
    from model_export.training.trainer import Trainer

    recipe = load_recipe(recipe_path)
    check_stages(recipe)
    torch.manual_seed(recipe.seed)
    model = EarlyExitViT(recipe)  # before the data, which may take minutes to read
    weights = recipe.backbone.weights if isinstance(recipe.backbone, TimmRecipe) else ''
    if (out / 'checkpoint.pt').exists():
        if init:
            print(f'{out} is continued; --init {init} is ignored')
    elif init or weights:
        print(start_from(model, init or Path(weights)))
    with only_run(out):
        if recipe.task == 'regression':
            from model_export.data.values import load_halves

            if share is not None or reading != type(reading)():
                raise UsageError(
                    '--split, --group-by, --skip-damaged and --image-range are for classes'
                )
            parts = load_halves(data, recipe)
            trainer = Trainer(model, parts.training, parts.held_out, out, data=parts.fingerprint)
        else:
            make_test_part(data, share, recipe.backbone.image_size, reading)
            _check_classes(data, recipe.num_classes)
            dataset = load_split(data, 'train', recipe.backbone.image_size, reading)
            _check_number(len(dataset.class_names), recipe.num_classes, data)
            training, held_out = split_held_out(dataset, recipe.held_out, recipe.held_out_seed)
            if dataset.groups is None and dataset.names:
                _warn_of_bursts(dataset)
            known = fingerprint(dataset)
            trainer = Trainer(model, training, held_out, out, data=known, reading=reading)
        trainer.run()
    if trainer.accuracy and recipe.task == 'classification':
        layers = (*model.exit_layers, recipe.backbone.layers)
        warn_of_depth(trainer.accuracy, layers, recipe.held_out)
    if not trainer.fabric.is_global_zero:
        return
    export_command = 'export-regression' if recipe.task == 'regression' else 'export'
    print(
        f'trained: {out}. Next: python -m model_export {export_command} {out} --data {data} '
        f'--out ...'
    )


def _check_number(found: int, wanted: int, data: Path) -> None:
    if found != wanted:
        raise ModelExportError(f'{data} has {found} classes, the recipe says num_classes: {wanted}')


def _check_classes(data: Path, count: int) -> None:
    """Hold class folders against the recipe and those of tests, before they are read.

    Raises:
        ModelExportError: They differ.
    """
    from model_export.data.load import class_names_of

    training = class_names_of(data, 'train')
    if training:
        _check_number(len(training), count, data)
    for split in ('test', 'validation'):
        names = class_names_of(data, split)
        missing, unknown = sorted(set(training) - set(names)), sorted(set(names) - set(training))
        if training and names and (missing or unknown):
            raise ModelExportError(
                f'{data}: the {split} folder has other classes than the training folder: missing '
                f'{missing}, unknown {unknown}. Make them the same, or move it away'
            )


def _warn_of_bursts(dataset: Dataset) -> None:
    """Warn if images are nearly equal to their neighbours: held out, the model knows them."""
    from model_export.data.groups import BURST, near_equal

    count = min(len(dataset), _COMPARED)
    part = dataset.subset(np.arange(count))
    found = near_equal(part.names, part.labels, part.images)
    if found > _FEW * count:
        print(
            f'warning: {found} of {count} images are nearly equal to the one before: held-out '
            f'images will be known, and their accuracy too high. --group-by {BURST} (or folder, or '
            f'a pattern of the file names) keeps such images on one side'
        )
