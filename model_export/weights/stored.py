"""A trained model's weights at half size, to keep and to share when training is over.

A folder of safetensors files, which hold tensors and no code. A training run's own
`checkpoint.pt` is six times as large, because it also holds what a resumed run needs.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model_export.data import (
    Dataset,
    Reading,
    check_classes,
    fingerprint,
    load_split,
    split_held_out,
)
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.recipe import Recipe, recipe_from_dict, recipe_to_dict
from model_export.weights.checkpoint import load_checkpoint, load_run, load_state

FILE_BYTES = 25_000_000


def save_weights(
    model: EarlyExitViT,
    class_names: tuple[str, ...],
    data: str,
    folder: Path,
    reading: Reading = Reading(),  # noqa: B008 (frozen)
) -> None:
    """Write the weights in float16, with what `facts` gives, in files of some 25 MB each.

    Args:
        model: The trained model.
        class_names: C names.
        data: The `fingerprint` of its training data.
        folder: Folder to write to, made if it is missing.
        reading: How that data was read.

    Raises:
        ModelExportError: The folder cannot be written, or holds weights or a run already.
    """
    facts = {
        'recipe': json.dumps(recipe_to_dict(model.recipe)),
        'class_names': json.dumps(class_names),
        'data': data,
        'reading': json.dumps(dataclasses.asdict(reading)),
    }
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in model.state_dict().items():
        # The running statistics of batch norms are few and may exceed what float16 can hold.
        half = tensor.half() if tensor.is_floating_point() and 'running' not in name else tensor
        if size + half.nbytes > FILE_BYTES:
            shards.append({})
            size = 0
        shards[-1][name] = half.contiguous()
        size += half.nbytes
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if list(folder.glob('weights-*.safetensors')) or (folder / 'checkpoint.pt').exists():
            raise ModelExportError(f'{folder} already holds weights or a run: choose another')
        paths = [
            folder / f'weights-{number}-of-{len(shards)}.safetensors'
            for number in range(1, len(shards) + 1)
        ]
        for path, shard in zip(paths, shards, strict=True):
            save_file(shard, str(path.with_suffix('.partial')), metadata=facts)
        for path in paths:  # all are written: a full disk leaves no half a set
            path.with_suffix('.partial').replace(path)
    except (OSError, SafetensorError) as err:
        raise ModelExportError(f'cannot write {folder}: {err}') from err


def load_model(
    folder: Path, *, task: str | None = 'classification'
) -> tuple[EarlyExitViT, tuple[str, ...]]:
    """Load a model, in evaluation mode, and its class names.

    Args:
        folder: Saved weights, or a finished training run.
        task: Task that the caller supports; None takes any.

    Raises:
        ModelExportError: The folder holds neither, it is damaged, or it is for another task.
    """
    model, class_names = _load(folder)
    if task not in (None, model.recipe.task):
        raise ModelExportError(
            f'{folder} holds a {model.recipe.task} model, and this command is for {task}: see '
            f'"Counting, and other numbers" in docs/your_own_model.md'
        )
    return model, class_names


def _load(folder: Path) -> tuple[EarlyExitViT, tuple[str, ...]]:
    paths = _weight_files(folder)
    if not paths:
        model, checkpoint = load_run(folder)
        return model, tuple(checkpoint['class_names'])
    state: dict[str, Tensor] = {}
    try:
        for path in paths:
            with safe_open(str(path), 'pt') as file:
                for name in file.keys():  # noqa: SIM118 (a file, no mapping)
                    tensor: Tensor = file.get_tensor(name)
                    state[name] = tensor.float() if tensor.dtype == torch.half else tensor
    except (OSError, SafetensorError) as err:
        raise ModelExportError(f'cannot read the weights in {folder}: {err}') from err
    facts = _facts(paths[0])
    model = EarlyExitViT(recipe_from_dict(json.loads(facts['recipe'])))
    load_state(model, state, folder)
    return model.eval(), tuple(json.loads(facts['class_names']))


def trained_on(folder: Path) -> tuple[tuple[str, ...], str]:
    """Return the class names and the fingerprint of the data that `folder` was trained on.

    Args:
        folder: Saved weights, or a training run.
    """
    paths = _weight_files(folder)
    if not paths:
        checkpoint = load_checkpoint(folder)
        return tuple(checkpoint['class_names']), checkpoint['data']
    facts = _facts(paths[0])
    return tuple(json.loads(facts['class_names'])), facts['data']


def reading_of(folder: Path) -> Reading:
    """Return how the data that `folder` was trained on was read."""
    paths = _weight_files(folder)
    if not paths:
        return Reading(**load_checkpoint(folder).get('reading', {}))
    return Reading(**json.loads(_facts(paths[0]).get('reading', '{}')))


def load_training_data(folder: Path, recipe: Recipe, data: Path) -> tuple[Dataset, Dataset]:
    """Return the images that a model was trained on, and those that were held out.

    Args:
        folder: Saved weights, or a training run.
        recipe: Recipe of the model.
        data: The data set; its train split is read.

    Raises:
        ModelExportError: As `load_split` and `check_same_data`.
    """
    dataset = load_split(data, 'train', recipe.backbone.image_size, reading_of(folder))
    check_same_data(folder, dataset)
    return split_held_out(dataset, recipe.held_out, recipe.held_out_seed)


def check_same_data(folder: Path, dataset: Dataset) -> None:
    """Refuse a train split other than the one that `folder` was trained on.

    Its held-out images would be others, some of which the model has seen.

    Raises:
        ModelExportError: It has other classes or other images.
    """
    class_names, data = trained_on(folder)
    check_classes(dataset, class_names, 'the data')
    if fingerprint(dataset) != data:
        raise ModelExportError(
            f'{folder} was trained on other data ({data}, now {fingerprint(dataset)}): the images '
            f'held out would be others. Restore that data, or train again'
        )


def _weight_files(folder: Path) -> list[Path]:
    """Return the files of one whole set of weights, in order; none if there is no such file."""
    names = {path.name for path in folder.glob('weights-*.safetensors')}
    if not names:
        return []
    of = re.search(r'-of-(\d+)\.', min(names))
    count = int(of[1]) if of else 1
    wanted = [f'weights-{number}-of-{count}.safetensors' for number in range(1, count + 1)]
    if names != set(wanted):
        raise ModelExportError(f'{folder} must hold exactly {wanted}. Got {sorted(names)}')
    return [folder / name for name in wanted]


def _facts(path: Path) -> dict[str, str]:
    """Read what a weights file says of the model: `recipe`, `class_names` (JSON) and `data`."""
    try:
        with safe_open(str(path), 'pt') as file:
            facts: dict[str, str] = file.metadata() or {}
    except (OSError, SafetensorError) as err:
        raise ModelExportError(f'cannot read the weights in {path.parent}: {err}') from err
    missing = sorted({'recipe', 'class_names', 'data'} - set(facts))
    if missing:
        raise ModelExportError(f'{path} was not written by save: it lacks {missing}')
    return facts
