"""Train the stages of a recipe, one after the other, each by its scheme.

Everything random follows from the seed and the step number, so a run that was killed goes on from
its last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import dataclasses
import math
import time
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from tqdm import tqdm

from model_export.data import LabelledImages, Reading
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.progress import progress
from model_export.recipe.recipe import Recipe, recipe_from_dict, recipe_to_dict
from model_export.training.augment import check_augmentation
from model_export.training.batch_sources import batch_source_of
from model_export.training.fabric import launch_fabric
from model_export.training.features import check_memory
from model_export.training.interrupt import noted_interrupt
from model_export.training.optimise import steps_of
from model_export.training.run_folder import RunFolder
from model_export.training.schemes import HeadScheme
from model_export.training.stage_inputs import StageInputs
from model_export.training.stage_run import StageRun, seeded_scheme
from model_export.weights.checkpoint import Checkpoint, load_checkpoint, load_state

CHECKPOINT_EVERY_STEPS = 100
CHECKPOINT_EVERY_S = 120.0  # and this often where steps are slow
LOG_EVERY_STEPS = 25


class Trainer:
    """Runs the stages of a recipe into a folder: `checkpoint.pt` and `log.csv`.

    Attributes:
        accuracy: Of every exit on the held-out images, when it was last measured.
        checkpoint_every_steps: Steps from one checkpoint to the next, besides those after an epoch
            and every two minutes.
        ends: When to stop as for Ctrl-C, on the clock `time.monotonic()`.
    """

    def __init__(
        self,
        model: EarlyExitViT,
        train: LabelledImages,
        held_out: LabelledImages,
        out: Path,
        *,
        data: str,
        reading: Reading = Reading(),  # noqa: B008 (frozen)
    ) -> None:
        """Set up the training.

        Args:
            model: Model to train.
            train: Training images, `Values` for a regression.
            held_out: Images on which each epoch is measured: accuracy, or mean absolute error.
            out: Folder to write to.
            data: Fingerprint of both halves together, see `data.fingerprint`.
            reading: How they were read.

        Raises:
            ModelExportError: Lightning Fabric is not installed.
        """
        self.model = model
        self.recipe: Recipe = model.recipe
        self.train_data = train
        self.held_out = held_out
        self.out = out
        self.folder = RunFolder(out, model.exit_layers)
        self.data = data
        self.reading = reading
        self.accuracy: list[float] | None = None
        self.checkpoint_every_steps = CHECKPOINT_EVERY_STEPS
        self.ends = math.inf
        self.fabric = launch_fabric()
        self.model.to(self.fabric.device)

    def run(self) -> None:
        """Train what is not trained yet.

        Raises:
            ModelExportError: A stage cannot be trained (found before the first begins), the folder
                holds another run, or the loss is not finite.
            KeyboardInterrupt: Ctrl-C, or the time is up; a checkpoint of the last step was written.
        """
        total = [self._check(stage) for stage in range(1, len(self.recipe.stages) + 1)]
        self.out.mkdir(parents=True, exist_ok=True)
        done = self._resume() if (self.out / 'checkpoint.pt').exists() else None
        for stage, steps in enumerate(total, start=1):
            if not done or done['stage'] < stage:
                self._run_stage(stage, steps, None)
            elif done['stage'] == stage and done['step'] < steps:
                self._run_stage(stage, steps, done)

    def _check(self, stage: int) -> int:
        """Return the steps of a stage, or refuse it."""
        recipe = self.recipe.stages[stage - 1]
        images, count = len(self.train_data), self.fabric.world_size
        steps = steps_of(recipe, images)
        scheme = seeded_scheme(self.model, stage).to(self.fabric.device)
        where = f'stages[{stage - 1}]'
        check_augmentation(recipe)
        if steps < scheme.phases:
            raise ModelExportError(
                f'{where}: {steps} steps are too few for the {scheme.phases} phases of '
                f'{recipe.scheme!r}: raise epochs'
            )
        if recipe.batch_size % count:
            raise ModelExportError(
                f'{where}: batch_size must be a multiple of the {count} processes. '
                f'Got {recipe.batch_size}'
            )
        if recipe.cache_features:
            if count > 1:
                raise ModelExportError(f'{where}: cache_features needs one process. Got {count}')
            assert isinstance(scheme, HeadScheme)
            check_memory(scheme, images + len(self.held_out))
        return steps

    def _resume(self) -> Checkpoint:
        done = load_checkpoint(self.out)
        if recipe_from_dict(done['recipe']) != self.recipe:
            raise ModelExportError(
                f'{self.out} holds a run of another recipe: choose another --out or delete it'
            )
        if done['data'] != self.data:
            raise ModelExportError(
                f'{self.out} was trained on other data ({done["data"]}, now {self.data}): restore '
                f'the data, or choose another --out'
            )
        load_state(self.model, done['model'], self.out)
        if self.fabric.is_global_zero:
            words = recipe_to_dict(self.recipe)
            if done['recipe'] != words:  # descriptions, as all else is equal
                done['recipe'] = words
                self.folder.write(done)
            self.folder.cut_log(done['stage'], done['step'])
        return done

    def _run_stage(self, stage: int, total: int, done: Checkpoint | None) -> None:
        recipe = self.recipe.stages[stage - 1]
        leads, first = self.fabric.is_global_zero, done['step'] if done else 0
        inputs = StageInputs(self.model, self.train_data, self.held_out, stage, self.fabric)
        run = StageRun(inputs, total, done)
        source = batch_source_of(inputs, run.scheme)
        epoch = len(self.train_data) // recipe.batch_size  # in steps
        title, steps = f'stage {stage} {recipe.scheme}', range(first, total)
        bar = progress(steps, title, total=total, initial=first, unit='step', disable=not leads)
        loss_mean, written = math.nan, time.monotonic()
        with noted_interrupt() as interrupted, closing(source.batches(steps)) as batches:
            for step, (batch, target) in zip(bar, batches, strict=True):
                loss, norm = run.gradients(step, batch, target)
                ends = float(interrupted() or time.monotonic() >= self.ends)
                facts = torch.tensor([loss, norm, ends], device=self.fabric.device)
                mean = cast(Tensor, self.fabric.all_reduce(facts))
                loss, norm, stop = mean.tolist()
                if not (math.isfinite(loss) and math.isfinite(norm)):
                    raise ModelExportError(
                        f'the loss became {loss} (gradient {norm}) in step {step} of stage '
                        f'{stage}, scheme {recipe.scheme!r}: lower learning_rate '
                        f'({recipe.learning_rate}). The last checkpoint in {self.out} is intact'
                    )
                run.update()
                loss_mean = loss if math.isnan(loss_mean) else 0.98 * loss_mean + 0.02 * loss
                shown = {'loss': f'{loss_mean:.3f}', 'epoch': f'{step / epoch:.2f}'}
                bar.set_postfix(shown, refresh=False)
                ran, last = step + 1, step + 1 == total
                if last:
                    run.finish()
                accuracy = None
                if last or ran % epoch == 0:
                    if leads:
                        self.accuracy = accuracy = source.accuracy(run.kept)
                        words = ' '.join(f'{share:.4f}' for share in accuracy)
                        tqdm.write(f'stage {stage} epoch {ran / epoch:.1f} held-out {words}')
                    self.fabric.barrier()
                if leads and (last or accuracy or ran % LOG_EVERY_STEPS == 0):
                    self.folder.log(stage, ran, loss_mean, run.learning_rate, accuracy)
                due = accuracy or stop or ran % self.checkpoint_every_steps == 0
                if leads and (due or time.monotonic() - written > CHECKPOINT_EVERY_S):
                    self._save(stage, ran, total, run)
                    written = time.monotonic()
                if stop:
                    raise KeyboardInterrupt

    def _save(self, stage: int, step: int, steps: int, run: StageRun) -> None:
        facts: dict[str, Any] = {
            'recipe': recipe_to_dict(self.recipe),
            'class_names': list(self.train_data.class_names),
            'data': self.data,
            'reading': dataclasses.asdict(self.reading),
            'stage': stage,
            'step': step,
            'steps': steps,
        }
        self.folder.write(cast(Checkpoint, facts | run.state()))
