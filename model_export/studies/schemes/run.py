"""One run of a comparison: train a system with one seed, then measure it, and keep the figures.

What was measured is a small JSON file, so a comparison can be continued where the weights of the
earlier runs no longer are.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eevit_ros.policies import Softmax
from eevit_ros.policies.operating_point import measure_exits
from model_export.calibration.choose import CalibrationSet
from model_export.calibration.temperatures import calibrated, fit_temperatures
from model_export.data import Dataset, fingerprint
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import fold
from model_export.network.macs import count_macs, macs_alone
from model_export.network.predict import logits_of
from model_export.pretrained import start_from
from model_export.recipe.recipe import Recipe, recipe_to_dict
from model_export.training.trainer import Trainer
from model_export.weights.stored import load_model


@dataclass(frozen=True)
class Point:
    """The test set at thresholds that were chosen on held-out images."""

    speedup_macs: float
    speedup_layers: float
    accuracy: float


@dataclass(frozen=True)
class Result:
    """What one run reached.

    Attributes:
        run: System and seed.
        key: Hash of all that its figures depend on: recipe, start and data.
        layers: E + 1 layers that ran at each exit.
        accuracy: E + 1 shares of right answers of each exit alone, on the test set.
        speedup: E + 1 MAC speed-ups of each exit alone, its own head counted.
        curve: The trade-off, from careful to fast, without what its own points surpass on the
            held-out images.
        steps: Training steps of the run itself.
    """

    run: str
    key: str
    layers: tuple[int, ...]
    accuracy: tuple[float, ...]
    speedup: tuple[float, ...]
    curve: tuple[Point, ...]
    steps: int

    def at(self, speedup: float) -> float | None:
        """Return the test accuracy at a MAC speed-up, interpolated; None beyond the curve."""
        points = sorted((point.speedup_macs, point.accuracy) for point in self.curve)
        speeds, accuracies = zip(*points, strict=True)
        if not speeds[0] <= speedup <= speeds[-1]:
            return None
        return float(np.interp(speedup, speeds, accuracies))


def key_of(recipe: Recipe, start: str, train: Dataset, test: Dataset) -> str:
    """Hash what a run's figures depend on; `start` says what its backbone started from."""
    words = json.dumps([recipe_to_dict(recipe), start, fingerprint(train), fingerprint(test)])
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def read_result(path: Path) -> Result:
    """Read what `write_result` wrote.

    Raises:
        ModelExportError: The file is not a result.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text())
        data['curve'] = tuple(Point(**point) for point in data['curve'])
        for name in ('layers', 'accuracy', 'speedup'):
            data[name] = tuple(data[name])
        return Result(**data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise ModelExportError(
            f'{path} is not the result of a run ({err!r}): remove it, and the run is done again'
        ) from err


def write_result(result: Result, path: Path) -> None:
    """Write it whole or not at all."""
    partial = path.with_suffix('.partial')
    partial.write_text(json.dumps(asdict(result)) + '\n')
    partial.replace(path)


def train(
    recipe: Recipe, halves: tuple[Dataset, Dataset], start: Path, folder: Path, *, data: str
) -> EarlyExitViT:
    """Train a recipe in `folder`, or go on with it; the heads are drawn by the recipe's seed.

    Args:
        recipe: Recipe of the run.
        halves: The images to train on and the held-out ones.
        start: Run or saved weights that the backbone starts from.
        folder: Folder of the run.
        data: The fingerprint of both halves together.
    """
    torch.manual_seed(recipe.seed)
    model = EarlyExitViT(recipe)
    if not (folder / 'checkpoint.pt').exists():
        start_from(model, start)
    Trainer(model, *halves, folder, data=data).run()
    return load_model(folder)[0]


def measure(
    model: EarlyExitViT, held_out: Dataset, test: Dataset, *, run: str, key: str, steps: int
) -> Result:
    """Fit temperatures and thresholds on held-out images; measure the rest on the test set."""
    logits = logits_of(model, held_out)
    temperatures = fit_temperatures(logits, torch.from_numpy(held_out.labels))
    macs = count_macs(fold(model))
    layers = (*model.exit_layers, model.recipe.backbone.layers)

    def known(logits: Tensor, data: Dataset) -> CalibrationSet:
        measures = measure_exits(Softmax(), calibrated(logits, temperatures))
        return CalibrationSet(Softmax(), measures, data.labels, layers, macs.leaving, macs.backbone)

    to_choose, to_test = known(logits, held_out), known(logits_of(model, test), test)
    found = [to_test.operating_point(thresholds) for thresholds in to_choose.front()]
    return Result(
        run=run,
        key=key,
        layers=layers,
        accuracy=tuple(float(share) for share in to_test.right.mean(axis=1)),
        speedup=tuple(macs.backbone / alone for alone in macs_alone(macs.leaving, macs.heads)),
        curve=tuple(Point(one.speedup_macs, one.speedup_layers, one.accuracy) for one in found),
        steps=steps,
    )


def forget(folder: Path) -> None:
    """Remove a run that is measured and that no other starts from (hundreds of megabytes)."""
    shutil.rmtree(folder, ignore_errors=True)
