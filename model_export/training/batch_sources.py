"""Batches of a stage, of images or of kept features, and the accuracy on held-out images."""

from __future__ import annotations

import operator
from collections.abc import Generator
from typing import Protocol

import torch
from torch import Tensor

from model_export.data.crop_loader import crop_loader
from model_export.network.early_exit import EarlyExitViT
from model_export.network.predict import BATCH_SIZE, score_per_exit
from model_export.training.augment import augment
from model_export.training.features import compute_features, to_device
from model_export.training.schemes import Features, HeadScheme, Scheme
from model_export.training.stage_inputs import StageInputs


class BatchSource(Protocol):
    """Batches of training images, and the accuracy on held-out ones."""

    def batches(self, steps: range) -> Generator[tuple[Tensor | Features, Tensor], None, None]:
        """Yield each step's batch, images or features, and its target."""

    def accuracy(self, model: EarlyExitViT) -> list[float]:
        """Return each exit's accuracy, the final one last; a regression's mean absolute error."""


class ImageSource:
    """Images, cropped and augmented as the stage says."""

    def __init__(self, inputs: StageInputs) -> None:
        """Take images as `inputs` says."""
        self.inputs = inputs

    def batches(self, steps: range) -> Generator[tuple[Tensor, Tensor], None, None]:
        """Yield images (B, H, W, 3) and labels (B,) or shares of the classes (B, C)."""
        inputs, recipe = self.inputs, self.inputs.model.recipe
        crops = (list(zip(inputs.rows(step), inputs.seeds(step), strict=True)) for step in steps)
        size = recipe.backbone.image_size
        loader = crop_loader(inputs.train.images, size, inputs.recipe, crops)
        for step, image in zip(steps, loader, strict=True):
            inputs.seed_torch(step)
            on_device = torch.from_numpy(image).to(inputs.fabric.device)
            labels = inputs.labels(inputs.rows(step))
            yield augment(on_device, labels, inputs.recipe, recipe.num_classes)

    def accuracy(self, model: EarlyExitViT) -> list[float]:
        """Run the whole model."""
        return score_per_exit(model, self.inputs.held_out)


class FeatureSource:
    """Features of a frozen backbone, computed here and kept in memory."""

    def __init__(self, inputs: StageInputs, scheme: HeadScheme) -> None:
        """Run the backbone on all images."""
        self.inputs = inputs
        model, extract = inputs.model, scheme.features
        self.training = compute_features(model, extract, inputs.train, 'training images')
        self.held_out = compute_features(model, extract, inputs.held_out, 'held-out images')
        # The backbone does not change, nor does its accuracy.
        self.final = score_per_exit(model, inputs.held_out)[-1]

    def batches(self, steps: range) -> Generator[tuple[Features, Tensor], None, None]:
        """Yield the heads' input, in the order in which images would come."""
        inputs = self.inputs
        for step in steps:
            rows = inputs.rows(step)
            inputs.seed_torch(step)
            features = self.training.map(operator.itemgetter(torch.from_numpy(rows)))
            yield to_device(features, inputs.fabric.device), inputs.labels(rows)

    @torch.no_grad()
    def accuracy(self, model: EarlyExitViT) -> list[float]:
        """Run the heads."""
        fabric = self.inputs.fabric
        labels = torch.from_numpy(self.inputs.held_out.labels)
        model.eval()
        right = torch.zeros(len(model.heads))
        for first in range(0, len(labels), BATCH_SIZE):
            part = slice(first, first + BATCH_SIZE)
            tokens = to_device(self.held_out.map(operator.itemgetter(part)), fabric.device).tokens
            with fabric.autocast():
                logits = [head(x).float() for head, x in zip(model.heads, tokens, strict=True)]
            right += torch.stack(logits).argmax(-1).cpu().eq(labels[part]).sum(dim=1)
        return [*(right / len(labels)).tolist(), self.final]


def batch_source_of(inputs: StageInputs, scheme: Scheme) -> BatchSource:
    """Return a source of images, or of features if the stage says `cache_features`."""
    if not inputs.recipe.cache_features:
        return ImageSource(inputs)
    assert isinstance(scheme, HeadScheme)
    return FeatureSource(inputs, scheme)
