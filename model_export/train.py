"""Train a recipe in LGViT's two stages: the backbone end to end, then the heads on it, frozen.

Everything random follows from the seed and the step number, so a run that was killed continues
from its last checkpoint as if nothing had happened.

Reference: Xu et al., LGViT, ACM MM 2023, section 3.4. The heads learn from the labels and from
the final classifier's softened answer (Hinton et al., 2015).
"""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from model_export.checkpoint import Checkpoint, load_checkpoint, load_state
from model_export.data import Dataset, training_batch
from model_export.early_exit import EarlyExitViT
from model_export.errors import ModelExportError
from model_export.predict import accuracy_per_exit, best_device, has_bfloat16
from model_export.recipe import Recipe, StageRecipe, recipe_from_dict, recipe_to_dict

CHECKPOINT_EVERY_STEPS = 100


class Trainer:
    """Runs both stages of a recipe into a folder: `checkpoint.pt` and `log.csv`."""

    def __init__(
        self, model: EarlyExitViT, train: Dataset, held_out: Dataset, out: Path, *, data: str
    ) -> None:
        """Train `model` on `train`, watch it on `held_out`, write to the folder `out`.

        `data` is the fingerprint of both halves together, see `data.fingerprint`.
        """
        self.model = model
        self.recipe: Recipe = model.recipe
        self.train_data = train
        self.held_out = held_out
        self.out = out
        self.data = data
        self.device = best_device()
        self.model.to(self.device)

    def run(self) -> None:
        """Train what is left to train; returns when both stages are done."""
        self.out.mkdir(parents=True, exist_ok=True)
        total = {
            1: steps_of(self.recipe.stage1, len(self.train_data)),
            2: steps_of(self.recipe.stage2, len(self.train_data)),
        }
        done = self._resume() if (self.out / 'checkpoint.pt').exists() else None
        for stage in (1, 2):
            if done and done['stage'] > stage:
                continue
            self._run_stage(stage, total[stage], done if done and done['stage'] == stage else None)

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
        words = recipe_to_dict(self.recipe)
        if done['recipe'] != words:  # descriptions, as all else is equal
            done['recipe'] = words
            self._write(done)
        self._cut_log(done['stage'], done['step'])
        return done

    def _run_stage(self, stage: int, total: int, done: Checkpoint | None) -> None:
        recipe = self.recipe.stage1 if stage == 1 else self.recipe.stage2
        steps_per_epoch = len(self.train_data) // recipe.batch_size
        trained: nn.Module = self.model.backbone if stage == 1 else self.model.heads
        self.model.backbone.requires_grad_(stage == 1)
        optimizer = torch.optim.AdamW(
            parameter_groups(trained, recipe, self.recipe.backbone.layers), betas=(0.9, 0.98)
        )
        first = 0
        if done:
            optimizer.load_state_dict(done['optimizer'])
            first = done['step']
        bar = tqdm(range(first, total), f'stage {stage}', total, initial=first, unit='step')
        loss_mean = math.nan
        for step in bar:
            trained.train()
            epoch, index = divmod(step, steps_per_epoch)
            order = np.random.default_rng((self.recipe.seed, stage, epoch)).permutation(
                len(self.train_data)
            )
            rows = order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
            rng = np.random.default_rng((self.recipe.seed, stage, epoch, index))
            size = self.recipe.backbone.image_size
            batch = training_batch(self.train_data.images[rows], size, recipe, rng)
            torch.manual_seed(int(rng.integers(2**31)))  # dropout's: it must not know of a kill
            rate = set_learning_rate(optimizer, recipe, step, total)
            loss = self._loss(
                stage, recipe, self._tensor(batch), self._tensor(self.train_data.labels[rows])
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
            optimizer.step()
            if not math.isfinite(loss.item()):
                raise ModelExportError(
                    f'the loss became {loss.item()} in step {step}: '
                    f'lower learning_rate ({recipe.learning_rate})'
                )
            loss_mean = (
                loss.item() if math.isnan(loss_mean) else (0.98 * loss_mean + 0.02 * loss.item())
            )
            bar.set_postfix(loss=f'{loss_mean:.3f}', epoch=f'{step / steps_per_epoch:.2f}')
            last = step + 1 == total
            accuracy = None
            if last or (step + 1) % steps_per_epoch == 0:
                accuracy = accuracy_per_exit(self.model, self.held_out)
                tqdm.write(
                    f'stage {stage} epoch {(step + 1) / steps_per_epoch:.1f} held-out '
                    + ' '.join(f'{a:.4f}' for a in accuracy)
                )
            if last or accuracy or (step + 1) % 25 == 0:
                self._log(stage, step + 1, loss_mean, rate, accuracy)
            if last or (step + 1) % CHECKPOINT_EVERY_STEPS == 0:
                self._save(stage, step + 1, total, optimizer)

    def _loss(self, stage: int, recipe: StageRecipe, image: Tensor, label: Tensor) -> Tensor:
        smoothing = recipe.label_smoothing
        with torch.autocast(self.device.type, torch.bfloat16, enabled=has_bfloat16(self.device)):
            if stage == 1:
                logits = self.model.backbone(image).float()
                return F.cross_entropy(logits, label, label_smoothing=smoothing)
            with torch.no_grad():
                *tokens, last = self.model.tokens_at_exits(image)
                teacher = self.model.backbone.classify(last).float()
            students = [head(x).float() for head, x in zip(self.model.heads, tokens, strict=True)]
        soft, weight = recipe.distill_temperature, recipe.distill_weight
        target = (teacher / soft).softmax(-1)
        losses = [
            (1 - weight) * F.cross_entropy(student, label, label_smoothing=smoothing)
            + weight
            * soft**2
            * F.kl_div((student / soft).log_softmax(-1), target, reduction='batchmean')
            for student in students
        ]
        return torch.stack(losses).mean()

    def _tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _log(
        self, stage: int, step: int, loss: float, rate: float, accuracy: list[float] | None
    ) -> None:
        path = self.out / 'log.csv'
        new = not path.exists()
        with path.open('a', newline='') as file:
            writer = csv.writer(file)
            if new:
                exits = [f'held_out_layer_{layer}' for layer in self.model.exit_layers]
                writer.writerow(
                    ['stage', 'step', 'loss', 'learning_rate', *exits, 'held_out_final']
                )
            cells = (
                [f'{a:.4f}' for a in accuracy]
                if accuracy
                else [''] * (len(self.model.exit_layers) + 1)
            )
            writer.writerow([stage, step, f'{loss:.4f}', f'{rate:.3g}', *cells])

    def _cut_log(self, stage: int, step: int) -> None:
        """Drop what was logged after the checkpoint: it is about to be logged again."""
        path = self.out / 'log.csv'
        if not path.exists():
            return
        rows = path.read_bytes().splitlines(keepends=True)
        kept = [row for row in rows[1:] if tuple(map(int, row.split(b',')[:2])) <= (stage, step)]
        path.write_bytes(b''.join(rows[:1] + kept))

    def _save(self, stage: int, step: int, steps: int, optimizer: torch.optim.Optimizer) -> None:
        self._write(
            {
                'recipe': recipe_to_dict(self.recipe),
                'class_names': list(self.train_data.class_names),
                'data': self.data,
                'stage': stage,
                'step': step,
                'steps': steps,
                'model': self.model.state_dict(),
                'optimizer': optimizer.state_dict(),
            }
        )

    def _write(self, checkpoint: Checkpoint) -> None:
        partial = self.out / 'checkpoint.partial'
        torch.save(checkpoint, partial)
        os.replace(partial, self.out / 'checkpoint.pt')  # a kill never leaves half a file


def steps_of(recipe: StageRecipe, images: int) -> int:
    """How many steps a stage takes on so many images.

    Raises:
        ModelExportError: not one.
    """
    steps = round(recipe.epochs * (images // recipe.batch_size))
    if steps < 1:
        raise ModelExportError(
            f'{images} training images at batch_size {recipe.batch_size} and {recipe.epochs:g} '
            f'epochs make no training step: lower batch_size or raise epochs'
        )
    return steps


def parameter_groups(module: nn.Module, recipe: StageRecipe, layers: int) -> list[dict[str, Any]]:
    """AdamW groups: no decay of vectors; deeper layers learn faster by 1 / `layer_decay` each."""
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        level = layers + 1
        if name.startswith('blocks.'):
            level = 1 + int(name.split('.')[1])
        elif name.startswith(('patch_embed', 'cls_token', 'pos_embed')):
            level = 0
        decays = parameter.ndim > 1 and not name.endswith(('cls_token', 'pos_embed'))
        group = groups.setdefault(
            (level, decays),
            {
                'params': [],
                'scale': recipe.layer_decay ** (layers + 1 - level),
                'weight_decay': recipe.weight_decay if decays else 0.0,
            },
        )
        group['params'].append(parameter)
    return list(groups.values())


def set_learning_rate(
    optimizer: torch.optim.Optimizer, recipe: StageRecipe, step: int, total: int
) -> float:
    """Linear warm-up, then half a cosine to 0; returns the rate at scale 1."""
    warmup = min(recipe.warmup_steps, total // 2)
    if step < warmup:
        factor = (step + 1) / warmup
    else:
        factor = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
    for group in optimizer.param_groups:
        group['lr'] = recipe.learning_rate * factor * group['scale']
    return recipe.learning_rate * factor
