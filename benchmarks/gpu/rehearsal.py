"""The same calls on a CPU: a tiny model, invented images, CUDA graphs replaced by what they hold.

What was carried is rehearsed too: packed, cut, joined, and a wheel installed.
"""

from __future__ import annotations

import importlib
import tempfile
import time
import zipfile
from argparse import Namespace
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml

from benchmarks.beside_eevit import RECIPE as THESIS
from benchmarks.gpu.checks import check_of, run_check
from benchmarks.gpu.steps import GRACE_S, Outcome, Steps
from benchmarks.gpu.training import RESERVE_S, Job, job_of, run_job
from benchmarks.gpu.transfer.carried import RECIPE, WEIGHTS, Carried
from benchmarks.gpu.transfer.pack import folder_files, pack, training_files
from benchmarks.gpu.transfer.pieces import join
from model_export.data import fingerprint, load_split
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.pretrained import start_from
from model_export.recipe.recipe import (
    BackboneRecipe,
    ExitRecipe,
    Recipe,
    load_recipe,
    recipe_to_dict,
)
from model_export.weights.checkpoint import load_run
from model_export.weights.stored import load_model, save_weights

CLASSES = ('blue', 'dark', 'green', 'red')
EACH, HELD_OUT = 20, 8  # images of a class, and held out of all
FIRST_S, MOST_CALLS = 0.25, 10  # training in the first call; each has twice the time of the last
MODULE = 'carried_by_rehearsal'


class RehearsalError(Exception):
    """What was rehearsed did not come out as it has to."""


def rehearse_training(args: Namespace, began: float) -> int:
    """Rehearse `train_demo`; return the exit status."""
    torch.set_num_threads(1)
    whole = load_recipe(RECIPE)
    if WEIGHTS.exists():
        print(f'the whole recipe: {start_from(EarlyExitViT(whole), WEIGHTS)}')
    stages = [
        replace(one, batch_size=8, epochs=one.epochs / 8, warmup_steps=2) for one in whole.stages
    ]
    recipe = replace(_short(_tiny(whole)), stages=tuple(stages))
    with tempfile.TemporaryDirectory(prefix='rehearsal-') as name:
        folder = Path(name)
        args, carried, run = _replaced(args, folder), _carry(recipe, folder), folder / 'run'

        def job() -> Job:
            return replace(job_of(args, carried, time.monotonic()), recipe=recipe, run=run)

        steps = Steps('Rehearsal', folder / 'rehearsal', minutes=8, began=began)
        steps.run('plan', job().plan)
        for call in range(MOST_CALLS):
            args.minutes = (GRACE_S + RESERVE_S + FIRST_S * 2**call) / 60
            steps.run(f'call {call + 1}', lambda: _call(job()))
            if steps.failed or _finished(run):
                break
        steps.run('join', partial(_join, folder))
        print((folder / 'out' / 'train_demo.md').read_text())
        print((folder / 'rehearsal.md').read_text())
        return int(not steps.complete)


def rehearse_check(args: Namespace, began: float) -> int:
    """Rehearse `check`; return the exit status."""
    torch.set_num_threads(1)
    recipe = _short(_tiny(load_recipe(RECIPE)))
    thesis = _tiny(load_recipe(THESIS))
    # The heads as such are in the other recipe, and take long to export.
    thesis = replace(thesis, exits=tuple(ExitRecipe(one.layer, 'mean') for one in thesis.exits))
    with tempfile.TemporaryDirectory(prefix='rehearsal-') as name:
        folder = Path(name)
        carried = _carry(recipe, folder)
        (folder / 'thesis.yaml').write_text(yaml.safe_dump(recipe_to_dict(thesis)))
        steps = Steps('Rehearsal', folder / 'out' / 'check', minutes=8, began=began)
        check = replace(
            check_of(_replaced(args, folder), carried),
            recipe=folder / 'thesis.yaml',
            files=folder / 'files',
            device='cpu',
            providers=(('cpu', False),),
            rounds=1,
            runs=1,
        )
        run_check(check, steps)
        print((folder / 'out' / 'check.md').read_text())
        return int(not steps.complete)


def _replaced(args: Namespace, folder: Path) -> Namespace:
    """Return a command line that goes by what was carried, and writes into a folder."""
    own = {'data': None, 'peer': None, 'files': None, 'out': folder / 'out'}
    return Namespace(**{**vars(args), **own})


def _tiny(recipe: Recipe) -> Recipe:
    """Return a recipe with the same layers and exits and next to nothing in them."""
    assert isinstance(recipe.backbone, BackboneRecipe)
    side = 3 * recipe.backbone.patch_size
    backbone = replace(recipe.backbone, image_size=side, width=24, attention_heads=2)
    return replace(recipe, num_classes=len(CLASSES), held_out=HELD_OUT, backbone=backbone)


def _short(recipe: Recipe) -> Recipe:
    """Return a recipe with one exit with each head, and no more layers than these need."""
    assert isinstance(recipe.backbone, BackboneRecipe)
    heads = {one.head: one for one in recipe.exits}
    exits = tuple(replace(one, layer=layer) for layer, one in enumerate(heads.values(), start=1))
    return replace(recipe, exits=exits, backbone=replace(recipe.backbone, layers=1 + len(exits)))


def _carry(recipe: Recipe, folder: Path) -> Carried:
    """Pack data, weights, a wheel and a stand-in for the peer, and join them as on the way."""
    _write_images(folder / 'photos')
    here = folder / 'here'
    dataset = load_split(folder / 'photos', 'train', recipe.backbone.image_size)
    torch.manual_seed(0)
    save_weights(EarlyExitViT(recipe), CLASSES, fingerprint(dataset), here / 'weights')
    for name, names in (
        ('arg_utils', 'get_config_dict, parse_config_dict'),
        ('model_utils', 'get_model'),
    ):
        path = here / 'peer' / 'utils' / f'{name}.py'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'from benchmarks.gpu.stand_in import {names}\n')
    _write_wheel(here / 'wheels')
    there = folder / 'there'
    files = training_files(folder / 'photos')
    for name in ('weights', 'peer', 'wheels'):
        files |= folder_files(here / name, name)
    pack(files, there)
    carried = Carried(there)
    importlib.import_module(MODULE)
    return carried


def _write_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for channel, name in enumerate(CLASSES):
        (folder / 'train' / name).mkdir(parents=True)
        for number in range(EACH):
            image = rng.integers(0, 100, (20, 24, 3), np.uint8)
            image[..., channel % 3] += 100 * (name != 'dark')
            cv2.imwrite(str(folder / 'train' / name / f'{number:02}.png'), image)


def _write_wheel(folder: Path) -> None:
    """Write the smallest wheel that pip takes."""
    folder.mkdir()
    about = f'{MODULE}-1.dist-info'
    with zipfile.ZipFile(folder / f'{MODULE}-1-py3-none-any.whl', 'w') as wheel:
        wheel.writestr(f'{MODULE}.py', '')
        wheel.writestr(f'{about}/METADATA', f'Metadata-Version: 2.1\nName: {MODULE}\nVersion: 1\n')
        tag = 'Root-Is-Purelib: true\nTag: py3-none-any\n'
        wheel.writestr(f'{about}/WHEEL', f'Wheel-Version: 1.0\nGenerator: rehearsal\n{tag}')
        wheel.writestr(f'{about}/RECORD', '')


def _call(job: Job) -> Outcome:
    """Make one call."""
    run_job(job)
    if not job.steps.complete:
        raise RehearsalError('a step of the call was not done, see above')
    return Outcome([], [])


def _finished(run: Path) -> bool:
    try:
        load_run(run)
    except ModelExportError:
        return False
    return True


def _join(folder: Path) -> Outcome:
    """Join what was sent home, and hold it against the run."""
    model, _ = load_run(folder / 'run')
    join([folder / 'out' / 'weights'], folder / 'joined')
    joined, names = load_model(folder / 'joined')
    for name, tensor in model.state_dict().items():
        if not torch.allclose(joined.state_dict()[name], tensor, rtol=1e-3, atol=1e-3):
            raise RehearsalError(f'{name} came home otherwise than it was trained')
    if names != CLASSES:
        raise RehearsalError(f'the classes came home as {names}')
    return Outcome([], [])
