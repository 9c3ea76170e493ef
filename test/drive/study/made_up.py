"""Answers of a network that is sure and early in full light, and often wrong in the dark."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from drive.scene.pictures import read_pictures
from drive.study.fleet import Route
from drive.study.seen.answers import CELLS, DRAWS, FIELDS, Answers
from drive.study.worlds import Part, World, make_paths
from eevit_ros.model.metadata import ModelMetadata
from harness.tiny_model import tiny_metadata

LABELS = tuple(sorted({picture.label for picture in read_pictures()}))
MODEL: ModelMetadata = replace(tiny_metadata(classes=len(LABELS)), class_names=LABELS)
PART = Part(range(12), range(60), range(240, 280))
WORLD = World(('full light',) * 4 + ('dark',) * 4)


def answers(condition: str) -> Answers:
    rng = np.random.default_rng(len(condition))
    dark = condition == 'dark'

    def ask(pictures: range, *shape: int) -> np.ndarray:
        found = np.zeros((len(pictures), *shape, len(FIELDS)), np.uint8)
        truth = np.array([LABELS.index(read_pictures()[number].label) for number in pictures])
        # farther is harder; each picture is as hard as it is
        far = np.arange(shape[0])[:, np.newaxis] / CELLS if len(shape) == 2 else 0.0
        hard = rng.uniform(0, 1, len(pictures)).reshape(-1, *[1] * len(shape))
        wrong = rng.uniform(0, 1, (len(pictures), *shape)) < (0.7 * far + 0.3 * hard) * (
            1.0 if dark else 0.4
        )
        found[..., 0] = (truth.reshape(hard.shape) + wrong) % len(LABELS)
        found[..., 1] = np.where(wrong | dark, rng.integers(1, 3, wrong.shape), 0)
        found[..., 2] = np.where(wrong, 120, 230)
        found[..., 3] = 60 if dark else 160
        found[..., 5] = 24 if dark else 120  # twice the contrast
        return found

    return Answers(ask(PART.signs, CELLS, DRAWS), ask(PART.scenery, DRAWS))


def route(world: World = WORLD) -> Route:
    names = dict.fromkeys(world.zones)
    return Route(make_paths(world, PART), PART, {name: answers(name) for name in names}, MODEL)
