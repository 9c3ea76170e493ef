"""Where the batches of a stage come from, and how its model is watched on held-out images.

Which images a step takes, and all that is random about them, follows from the seed, the stage and
the step.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_export.data import Dataset
from model_export.data.values import Values
from model_export.network.early_exit import EarlyExitViT
from model_export.network.predict import BATCH_SIZE, has_bfloat16, score_per_exit
from model_export.recipe.recipe import StageRecipe
from model_export.training.augment import augment, crops
from model_export.training.features import compute_features, to_device
from model_export.training.parallel import Processes
from model_export.training.schemes import HeadScheme, Scheme, Seen


class Source(Protocol):
    """Batches of training images, and the accuracy on held-out ones."""

    def batch(self, step: int) -> tuple[Tensor | Seen, Tensor]:
        """What a scheme takes: images or what a backbone saw, and the target."""

    def accuracy(self) -> list[float]:
        """Share of right answers of each exit, the final one last; of a regression its error."""


@dataclass(frozen=True)
class Plan:
    """What a source needs to know of a stage and of the run."""

    model: EarlyExitViT
    train: Dataset | Values
    held_out: Dataset | Values
    stage: int  # from 1
    processes: Processes

    @property
    def recipe(self) -> StageRecipe:
        """The stage's."""
        return self.model.recipe.stages[self.stage - 1]

    def rows(self, step: int) -> tuple[npt.NDArray[np.int64], list[int]]:
        """Which images this process takes in a step, and their places in the whole batch."""
        size, seed = self.recipe.batch_size, self.model.recipe.seed
        epoch, index = divmod(step, len(self.train) // size)
        order = np.random.default_rng((seed, self.stage, epoch)).permutation(len(self.train))
        mine = list(range(self.processes.rank, size, self.processes.count))
        return order[index * size : (index + 1) * size][mine], mine

    def labels(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """Of the images `rows`, (B,), on the device that trains: int64, of a regression float32."""
        return torch.from_numpy(self.train.labels[rows]).to(self.processes.device)

    def seed_torch(self, step: int) -> None:
        """Make the randomness of dropout and kornia that of the step: they know of no kill."""
        numbers = (self.model.recipe.seed, self.stage, step, self.processes.rank)
        torch.manual_seed(seed_of(*numbers))


class ImageSource:
    """Images, cropped and augmented as the stage says."""

    def __init__(self, plan: Plan) -> None:
        """Take images as `plan` says."""
        self.plan = plan

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images (B, H, W, 3) and labels (B,) or shares of the classes (B, C)."""
        plan = self.plan
        recipe = plan.model.recipe
        rows, places = plan.rows(step)
        seeds = [(recipe.seed, plan.stage, step, place) for place in places]
        image = crops(plan.train.images[rows], recipe.backbone.image_size, plan.recipe, seeds)
        plan.seed_torch(step)
        on_device = torch.from_numpy(image).to(plan.processes.device)
        return augment(on_device, plan.labels(rows), plan.recipe, recipe.num_classes)

    def accuracy(self) -> list[float]:
        """Run the whole model."""
        return score_per_exit(self.plan.model, self.plan.held_out)


class FeatureSource:
    """What a frozen backbone sees of the images, computed here and kept in memory."""

    def __init__(self, plan: Plan, scheme: HeadScheme) -> None:
        """Run the backbone on all images."""
        self.plan = plan
        self.scheme = scheme
        self.seen = compute_features(plan.model, scheme.look, plan.train, 'training images')
        self.held_out = compute_features(plan.model, scheme.look, plan.held_out, 'held-out images')
        # The backbone stays as it is, and so does its answer.
        self.final = score_per_exit(plan.model, plan.held_out)[-1]

    def batch(self, step: int) -> tuple[Seen, Tensor]:
        """What the heads take, in the order that images would come."""
        rows, _ = self.plan.rows(step)
        self.plan.seed_torch(step)
        seen = self.seen.map(lambda x: x[torch.from_numpy(rows)])
        return to_device(seen, self.plan.processes.device), self.plan.labels(rows)

    @torch.no_grad()
    def accuracy(self) -> list[float]:
        """Run the heads."""
        device = self.plan.processes.device
        labels = torch.from_numpy(self.plan.held_out.labels)
        self.plan.model.eval()
        right = torch.zeros(len(self.plan.model.heads))
        for first in range(0, len(labels), BATCH_SIZE):
            part = slice(first, first + BATCH_SIZE)
            seen = to_device(self.held_out.map(operator.itemgetter(part)), device)
            with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
                answers = self.scheme.answers(seen)
            right += torch.stack(answers).argmax(-1).cpu().eq(labels[part]).sum(dim=1)
        return [*(right / len(labels)).tolist(), self.final]


def source_of(plan: Plan, scheme: Scheme) -> Source:
    """Images, or features where the stage says `cache_features`."""
    if not plan.recipe.cache_features:
        return ImageSource(plan)
    assert isinstance(scheme, HeadScheme)
    return FeatureSource(plan, scheme)


def seed_of(*numbers: int) -> int:
    """One seed out of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
