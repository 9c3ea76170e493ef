"""The steps of one stage of a training, one by one, as `model_export train` takes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from model_export.data import LabelledImages
from model_export.network.early_exit import EarlyExitViT
from model_export.training.batch_sources import batch_source_of
from model_export.training.fabric import launch_fabric
from model_export.training.stage_inputs import StageInputs
from model_export.training.stage_run import StageRun


def training_steps(
    model: EarlyExitViT, training: LabelledImages, held_out: LabelledImages, stage: int, steps: int
) -> Iterator[int]:
    """Take steps of a stage (from 1) of the model's recipe; yield the images of each."""
    fabric = launch_fabric()
    inputs = StageInputs(model.to(fabric.device), training, held_out, stage, fabric)
    run = StageRun(inputs, steps, None)
    with closing(batch_source_of(inputs, run.scheme).batches(range(steps))) as batches:
        for step, (batch, target) in enumerate(batches):
            run.gradients(step, batch, target)
            run.update()
            yield len(target)
