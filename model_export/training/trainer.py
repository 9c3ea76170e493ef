"""Train the stages of a recipe, one after the other, each by its scheme.

Everything random follows from the seed and the step number, so a run that was killed continues
from its last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from model_export.data import Dataset
from model_export.data.values import Values
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.predict import has_bfloat16
from model_export.recipe.recipe import Recipe, recipe_from_dict, recipe_to_dict
from model_export.training.augment import check_augmentation
from model_export.training.ema import MovingAverage
from model_export.training.features import check_memory
from model_export.training.optimise import make_optimizer, set_learning_rate, steps_of
from model_export.training.parallel import Processes
from model_export.training.run_folder import RunFolder
from model_export.training.schemes import HeadScheme, Scheme, build_scheme, phase_of
from model_export.training.sources import Plan, Source, seed_of, source_of
from model_export.weights.checkpoint import Checkpoint, load_checkpoint, load_state

CHECKPOINT_EVERY_STEPS = 100
CHECKPOINT_EVERY_S = 120.0  # and this often where steps are slow
LOG_EVERY_STEPS = 25


class Trainer:
    """Runs the stages of a recipe into a folder: `checkpoint.pt` and `log.csv`."""

    def __init__(
        self,
        model: EarlyExitViT,
        train: Dataset | Values,
        held_out: Dataset | Values,
        out: Path,
        *,
        data: str,
    ) -> None:
        """Train `model` on `train`, watch it on `held_out`, write to the folder `out`.

        `data` is the fingerprint of both halves together, see `data.fingerprint`. A regression
        trains on `Values`, and what is watched is then the mean absolute error.
        """
        self.model = model
        self.recipe: Recipe = model.recipe
        self.train_data = train
        self.held_out = held_out
        self.out = out
        self.folder = RunFolder(out, model.exit_layers)
        self.data = data
        self.processes = Processes()
        self.model.to(self.processes.device)

    def run(self) -> None:
        """Train what is left to train; returns when all stages are done.

        Raises:
            ModelExportError: a stage cannot be trained (found before the first begins), the folder
                holds another run, or the loss is no number.
            KeyboardInterrupt: Ctrl-C; a checkpoint of the last step is written first.
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
        """The steps of a stage, if it can be trained at all."""
        recipe = self.recipe.stages[stage - 1]
        images, count = len(self.train_data), self.processes.count
        steps = steps_of(recipe, images)
        scheme = self._scheme(stage)
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

    def _scheme(self, stage: int) -> Scheme:
        torch.manual_seed(seed_of(self.recipe.seed, stage))  # of what the scheme itself trains
        recipe = self.recipe.stages[stage - 1]
        scheme = build_scheme(recipe, self.model, f'stages[{stage - 1}]')
        return scheme.to(self.processes.device)

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
        if self.processes.leads:
            words = recipe_to_dict(self.recipe)
            if done['recipe'] != words:  # descriptions, as all else is equal
                done['recipe'] = words
                self.folder.write(done)
            self.folder.cut_log(done['stage'], done['step'])
        return done

    def _run_stage(self, stage: int, total: int, done: Checkpoint | None) -> None:
        recipe = self.recipe.stages[stage - 1]
        leads, device = self.processes.leads, self.processes.device
        scheme = self._scheme(stage)
        optimizer = make_optimizer(scheme, recipe)
        average = MovingAverage(self.model, recipe.ema) if recipe.ema else None
        first = 0
        if done:
            optimizer.load_state_dict(done['optimizer'])
            first = done['step']
            scheme.load_state_dict({**scheme.state_dict(), **done.get('scheme', {})})
            if average:
                average.load(done['ema'])
        module, stepper = self.processes.prepare(scheme, optimizer)
        trained = [p for group in optimizer.param_groups for p in group['params']]
        plan = Plan(self.model, self.train_data, self.held_out, stage, self.processes)
        source = source_of(plan, scheme)
        epoch = len(self.train_data) // recipe.batch_size  # in steps
        title = f'stage {stage} {recipe.scheme}'
        bar = tqdm(range(first, total), title, total, initial=first, unit='step', disable=not leads)
        loss_mean, written = math.nan, time.monotonic()
        half = torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device))
        with _noted_interrupt() as interrupted:
            for step in bar:
                _set_modes(scheme)
                phase = phase_of(step, total, scheme.phases)
                rate = set_learning_rate(optimizer, recipe, phase.step, phase.steps)
                batch, target = source.batch(step)
                with half, _quick_attention(device):
                    loss = module(batch, target, step, total)
                optimizer.zero_grad()
                self.processes.backward(loss)
                norm = nn.utils.clip_grad_norm_(trained, 1.0)
                loss_now, norm_now, stop = self.processes.mean(
                    [loss.item(), norm.item(), float(interrupted())]
                )
                if not (math.isfinite(loss_now) and math.isfinite(norm_now)):
                    raise ModelExportError(
                        f'the loss became {loss_now} (gradient {norm_now}) in step {step} of stage '
                        f'{stage}, scheme {recipe.scheme!r}: lower learning_rate '
                        f'({recipe.learning_rate}). What {self.out} held before is still there'
                    )
                stepper.step()
                if average:
                    average.update(self.model, step)
                started = not math.isnan(loss_mean)
                loss_mean = 0.98 * loss_mean + 0.02 * loss_now if started else loss_now
                bar.set_postfix(loss=f'{loss_mean:.3f}', epoch=f'{step / epoch:.2f}')
                ran, last = step + 1, step + 1 == total
                if last and average:
                    average.give_to(self.model)
                accuracy = None
                if last or ran % epoch == 0:
                    if leads:
                        accuracy = self._watch(source, average, f'stage {stage}', ran / epoch)
                    self.processes.wait()
                if leads and (last or accuracy or ran % LOG_EVERY_STEPS == 0):
                    self.folder.log(stage, ran, loss_mean, rate, accuracy)
                due = accuracy or stop or ran % CHECKPOINT_EVERY_STEPS == 0
                if leads and (due or time.monotonic() - written > CHECKPOINT_EVERY_S):
                    self._save(stage, ran, total, optimizer, scheme, average)
                    written = time.monotonic()
                if stop:
                    raise KeyboardInterrupt

    def _watch(
        self, source: Source, average: MovingAverage | None, where: str, epoch: float
    ) -> list[float]:
        """Held-out accuracy of the weights that would be kept."""
        with average.in_place(self.model) if average else contextlib.nullcontext():
            accuracy = source.accuracy()
        words = ' '.join(f'{share:.4f}' for share in accuracy)
        tqdm.write(f'{where} epoch {epoch:.1f} held-out {words}')
        return accuracy

    def _save(
        self,
        stage: int,
        step: int,
        steps: int,
        optimizer: torch.optim.Optimizer,
        scheme: Scheme,
        average: MovingAverage | None,
    ) -> None:
        own = {k: v for k, v in scheme.state_dict().items() if not k.startswith('model.')}
        self.folder.write(
            {
                'recipe': recipe_to_dict(self.recipe),
                'class_names': list(self.train_data.class_names),
                'data': self.data,
                'stage': stage,
                'step': step,
                'steps': steps,
                'model': self.model.state_dict(),
                'optimizer': optimizer.state_dict(),
                'scheme': own,
                'ema': average.shadow if average else {},
            }
        )


def _set_modes(scheme: Scheme) -> None:
    """Dropout and batch statistics work in what is trained, and nowhere else."""
    scheme.train()
    scheme.model.backbone.train('backbone' in scheme.trains)
    scheme.model.heads.train('heads' in scheme.trains)


def _quick_attention(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """While it is open, attention takes plain matrix products on a CPU.

    torch's fused kernel is the quicker one forward, but slow backward at the few tokens of a small
    ViT, so it is left to evaluation.
    """
    return sdpa_kernel(SDPBackend.MATH) if device.type == 'cpu' else contextlib.nullcontext()


@contextlib.contextmanager
def _noted_interrupt() -> Iterator[Callable[[], bool]]:
    """While it is open, the first Ctrl-C is only noted, so that no step ends half-way."""
    noted: list[int] = []

    def note(number: int, _: Any) -> None:
        noted.append(number)
        signal.signal(signal.SIGINT, before)  # the second one stops at once

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread, which gets no signals anyway
        yield lambda: False
        return
    try:
        yield lambda: bool(noted)
    finally:
        signal.signal(signal.SIGINT, before)
