"""The training of a GPU call: plan it, train, send the weights home."""

from __future__ import annotations

import csv
import dataclasses
import functools
import math
import os
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml

from benchmarks.gpu.steps import MissingError, Outcome, Steps
from benchmarks.gpu.transfer.carried import FOLDER, RECIPE, WEIGHTS, Carried, reports_to
from benchmarks.gpu.transfer.pieces import cut
from benchmarks.report_file import Cell, Table
from benchmarks.training_steps import training_steps
from model_export.data import Dataset, fingerprint, load_split, split_held_out
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.predict import score_per_exit
from model_export.pretrained import start_from
from model_export.pretrained.fit import check_finite
from model_export.recipe.recipe import Recipe, load_recipe, recipe_from_dict, recipe_to_dict
from model_export.training.optimise import steps_of
from model_export.training.run_folder import only_run
from model_export.training.trainer import Trainer
from model_export.weights.checkpoint import load_checkpoint, load_state
from model_export.weights.stored import save_weights

GOAL_PERCENT = 86.0  # of the final exit, on held-out images
RESERVE_S = 40.0  # after the training: the weights, their pieces, the report
USED = 0.93  # of the time for training is planned
WARM_UP, TIMED = 20, 20  # steps of a stage, to plan with; the first were cropped in advance
PLAN = 'recipe.yaml'
LOG = 'log.csv'


@dataclasses.dataclass(frozen=True)
class Job:
    """One call.

    Attributes:
        recipe: The whole recipe.
        data: Data set, of which the training split is read.
        init: Weights that the first call starts from.
        run: Folder of the run, kept from call to call.
        out: Folder for what goes home.
        calls: Calls that the training may take.
        steps: The call's steps and its time.
    """

    recipe: Recipe
    data: Path
    init: Path
    run: Path
    out: Path
    calls: int
    steps: Steps

    @functools.cached_property
    def halves(self) -> tuple[str, Dataset, Dataset]:
        """Fingerprint of the training split, its images to train on, and those held out."""
        dataset = load_split(self.data, 'train', self.recipe.backbone.image_size)
        found, wanted = len(dataset.class_names), self.recipe.num_classes
        if found != wanted:
            raise ModelExportError(
                f'{self.data} has {found} classes, {self.recipe.name} has {wanted}: give --data '
                f'with those'
            )
        count, seed = self.recipe.held_out, self.recipe.held_out_seed
        return fingerprint(dataset), *split_held_out(dataset, count, seed)

    def begin(self, recipe: Recipe) -> EarlyExitViT:
        """Return the model as the training starts with it."""
        torch.manual_seed(recipe.seed)
        model = EarlyExitViT(recipe)
        print(start_from(model, self.init))
        return model

    def training_s(self) -> float:
        """Return the seconds of this call that are left for training."""
        return self.steps.left_s() - RESERVE_S

    def plan(self) -> Outcome:
        """Fit the recipe into the calls, by the time of a step; a run that is there has its own."""
        if (self.run / PLAN).exists():
            return Outcome([], [f'The run in {self.run.name} goes on, with its own recipe.'])
        _, training, _ = self.halves
        epoch_s, step_s = self._measure()
        available_s = USED * self.calls * self.training_s()
        recipe = fitted(self.recipe, len(training), step_s, epoch_s, available_s)
        self.run.mkdir(parents=True, exist_ok=True)
        (self.run / PLAN).write_text(yaml.safe_dump(recipe_to_dict(recipe), sort_keys=False))
        rows: list[list[Cell]] = [
            [
                stage.scheme,
                whole.epochs,
                stage.epochs,
                steps_of(stage, len(training)),
                1e3 * each,
                stage.batch_size / each,
            ]
            for stage, whole, each in zip(recipe.stages, self.recipe.stages, step_s, strict=True)
        ]
        columns = ['stage', 'epochs in the recipe', 'epochs', 'steps', 'ms a step', 'images a s']
        note = f'Held-out images and a checkpoint take {epoch_s:.1f} s after each epoch.'
        return Outcome([Table('Plan', columns, rows)], [note])

    def _measure(self) -> tuple[float, list[float]]:
        """Return the seconds that the end of an epoch takes, and a step of each stage."""
        _, training, held_out = self.halves
        step_s = []
        for stage in range(1, len(self.recipe.stages) + 1):
            model = self.begin(self.recipe)
            began: list[float] = []
            for _ in training_steps(model, training, held_out, stage, WARM_UP + TIMED):
                began.append(time.perf_counter())
            step_s.append((began[-1] - began[WARM_UP - 1]) / TIMED)
        start = time.perf_counter()
        score_per_exit(model, held_out)
        _write_as_much_as_a_checkpoint(model, self.run)
        return time.perf_counter() - start, step_s

    def train(self) -> Outcome:
        """Train until the end or until the time is up, whatever comes first."""
        if not (self.run / PLAN).exists():
            raise MissingError('there is no plan: see the step before')
        known, training, held_out = self.halves
        recipe = load_recipe(self.run / PLAN)
        if (self.run / 'checkpoint.pt').exists():
            model = EarlyExitViT(recipe)
        else:
            model = self.begin(recipe)
        trainer = Trainer(model, training, held_out, self.run, data=known)
        # A GPU takes them in seconds, and a checkpoint another.
        trainer.checkpoint_every_steps = max(steps_of(one, len(training)) for one in recipe.stages)
        trainer.ends = time.monotonic() + self.training_s()
        said = 'The training is finished.'
        try:
            with only_run(self.run):
                trainer.run()
        except KeyboardInterrupt:
            said = 'The training is not finished: the same call goes on with it.'
        return Outcome([], [said])

    def weights(self) -> Outcome:
        """Send the weights home, and say what they reach."""
        if not (self.run / 'checkpoint.pt').exists():
            raise MissingError('the training has written no checkpoint')
        done = load_checkpoint(self.run)
        model = EarlyExitViT(recipe_from_dict(done['recipe']))
        load_state(model, done.get('ema') or done['model'], self.run)
        check_finite(model.state_dict(), self.run)
        with tempfile.TemporaryDirectory(dir=self.run) as folder:
            whole = Path(folder) / 'weights'
            save_weights(model, tuple(done['class_names']), done['data'], whole)
            about = [path for path in (self.run / LOG, self.run / PLAN) if path.exists()]
            files = {path.name: path for path in (*sorted(whole.iterdir()), *about)}
            home = self.out / 'weights'
            for earlier in home.glob('*'):
                earlier.unlink()
            pieces = cut(files, home)
        accuracy = last_accuracy(self.run / LOG)
        rows: list[list[Cell]] = [[exit, 100 * share] for exit, share in accuracy.items()]
        final = 100 * accuracy.get('final', math.nan)
        met = 'met' if final >= GOAL_PERCENT else 'not met'
        notes = [
            f'Stage {done["stage"]} of {len(model.recipe.stages)}, step {done["step"]} of '
            f'{done["steps"]}. Final exit on {model.recipe.held_out} held-out images: '
            f'{final:.2f} %; goal {GOAL_PERCENT:.0f} %: {met}.',
            f'{len(pieces)} pieces of at most {max(p.stat().st_size for p in pieces) / 2**20:.1f} '
            f'MiB hold {", ".join(files)}: '
            f'python -m benchmarks.gpu.transfer.pieces OUT/weights FOLDER joins them.',
        ]
        return Outcome([Table('Held-out accuracy', ['exit', '%'], rows)], notes)


def _write_as_much_as_a_checkpoint(model: EarlyExitViT, folder: Path) -> None:
    """Write the weights four times: a checkpoint has their average and AdamW's two moments too."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(4):
            torch.save(model.state_dict(), file)
        file.flush()
        os.fsync(file.fileno())


def fitted(
    recipe: Recipe, images: int, step_s: Sequence[float], epoch_s: float, available_s: float
) -> Recipe:
    """Return a recipe whose stages are shortened alike, if need be, to fit the time.

    Args:
        recipe: The whole one.
        images: Number of training images.
        step_s: Seconds of a step of each stage.
        epoch_s: Seconds after each epoch and stage: held-out images and a checkpoint.
        available_s: Seconds for all stages together.
    """
    wanted_s = sum(
        stage.epochs * (images // stage.batch_size * each + epoch_s)
        for stage, each in zip(recipe.stages, step_s, strict=True)
    )
    left_s = available_s - len(recipe.stages) * epoch_s
    share = min(1.0, left_s / wanted_s)
    if share <= 0:
        raise MissingError(f'{available_s:.0f} s are too few to train anything: give --calls 2')
    stages = tuple(
        dataclasses.replace(stage, epochs=round(share * stage.epochs, 3)) for stage in recipe.stages
    )
    return dataclasses.replace(recipe, stages=stages)


def last_accuracy(log: Path) -> dict[str, float]:
    """Return the accuracy of each exit that a run's log gives last, by the name there."""
    if not log.exists():
        return {}  # stopped before the first epoch was over
    with log.open(newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['held_out_final']]
    last = rows[-1] if rows else {}
    prefix = 'held_out_'
    return {
        name.removeprefix(prefix).replace('_', ' '): float(value)
        for name, value in last.items()
        if name.startswith(prefix)
    }


def job_of(args: Namespace, carried: Carried, began: float) -> Job:
    """Return the call that a command line of `train_demo` asks for; `began` is when it began.

    Raises:
        MissingError: There are no data or no weights to start from.
    """
    data, init = args.data or carried.find('data'), carried.find('weights') or WEIGHTS
    if not data:
        raise MissingError('there are no data: give --data')
    for what, path in (('data', data), ('weights to start from', init)):
        if not path.exists():
            raise MissingError(f'there are no {what} in {path}')
    out = args.out or reports_to()
    title = f'Training of {RECIPE.name}'
    steps = Steps(title, out / 'train_demo', minutes=args.minutes, began=began)
    return Job(load_recipe(RECIPE), data, init, FOLDER / 'run', out, args.calls, steps)


def run_job(job: Job) -> None:
    """Take the steps of a call."""
    for step in (job.plan, job.train, job.weights):
        job.steps.run(step.__name__, step)
