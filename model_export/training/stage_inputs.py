"""What a stage trains on: its images, and which of them each step takes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_export.data import LabelledImages
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.recipe import StageRecipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class StageInputs:
    """Model and images of one stage.

    Which images a step takes, and everything random about them, follows from the recipe's seed,
    the stage and the step.

    Attributes:
        model: Model to train.
        train: Training images.
        held_out: Held-out images.
        stage: Number of the stage, from 1.
        fabric: Processes that share each batch, and their device.
    """

    model: EarlyExitViT
    train: LabelledImages
    held_out: LabelledImages
    stage: int
    fabric: Fabric

    @property
    def recipe(self) -> StageRecipe:
        """The stage's recipe."""
        return self.model.recipe.stages[self.stage - 1]

    def rows(self, step: int) -> npt.NDArray[np.int64]:
        """Return which images this process takes in a step."""
        size, seed = self.recipe.batch_size, self.model.recipe.seed
        epoch, index = divmod(step, len(self.train) // size)
        order = _shuffled(len(self.train), seed, self.stage, epoch)
        return order[index * size : (index + 1) * size][
            self.fabric.global_rank :: self.fabric.world_size
        ]

    def seeds(self, step: int) -> list[tuple[int, ...]]:
        """Return the seed of each of `rows`: its place in the whole batch, whoever takes it."""
        places = range(self.fabric.global_rank, self.recipe.batch_size, self.fabric.world_size)
        return [(self.model.recipe.seed, self.stage, step, place) for place in places]

    def labels(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """Return labels (B,) on the training device: int64, float32 for a regression."""
        return torch.from_numpy(self.train.labels[rows]).to(self.fabric.device)

    def seed_torch(self, step: int) -> None:
        """Seed dropout and kornia for a step, so that a resumed run repeats it."""
        torch.manual_seed(
            seed_of(self.model.recipe.seed, self.stage, step, self.fabric.global_rank)
        )


@functools.lru_cache(maxsize=2)  # the loader may be an epoch ahead
def _shuffled(images: int, *seed: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(images)


def seed_of(*numbers: int) -> int:
    """Return one seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
