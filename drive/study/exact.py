"""One path of a world for `drive.journey`: the same frames, for the real `Perception`.

`drive.simulated` drives it with `Perception` and the governor's limit themselves, to the step; that
is what the quicker `fleet` is held against.
"""

from __future__ import annotations

import numpy as np

from drive.journey import Frame
from drive.scene.world import LENGTH_M, SCENERY_LENGTH_M, SCENERY_M, SIGHT_M, Sign, View
from drive.study.fleet import Route
from drive.study.seen.answers import CELL_M, CELLS, DRAWS, FIELDS
from drive.study.seen.pictures import labels
from eevit_ros.model.engine import ExitResult
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.perception.perception import Observation


class ExactPath:
    """One path of a route, as `journey.Journey` takes a world.

    Attributes:
        signs: In the order of the path.
        length_m: Of the path.
    """

    def __init__(self, route: Route, path: int, model: ModelMetadata) -> None:
        """Take a path by its number."""
        paths = route.paths
        names = [paths.conditions[kind] for kind in route.condition[path]]
        places, pictures = paths.sign_m[path].tolist(), paths.sign_picture[path].tolist()
        self.signs = tuple(map(Sign, places, pictures, names))
        self.length_m = LENGTH_M
        self._shift = paths.sign_shift[path].tolist()
        self._scenery = paths.scenery[path].tolist()
        self._route, self._path, self._model = route, path, model

    def view(self, place_m: float) -> View:
        """Return what the camera sees from a place; the light is in the answers."""
        for number, sign in enumerate(self.signs):
            distance_m = sign.place_m - place_m
            if 0 < distance_m <= SIGHT_M:
                return View(sign.picture, distance_m, 0.0, number)
        return View(self._scenery[self._scenery_at(place_m)], SCENERY_M, 0.0, None)

    def observe(self, frame: Frame) -> Observation:
        """Return what `Perception.observe` said of a frame."""
        draw = frame.number % DRAWS
        if frame.view.sign is None:
            view = self._scenery_at(frame.place_m)
            number = self._route.scenery_frame(self._path, view, draw)
        else:
            sign = frame.view.sign
            cell = int(frame.view.distance_m / CELL_M + self._shift[sign])
            number = self._route.sign_frame(self._path, sign, min(cell, CELLS - 1), draw)
        kept = dict(zip(FIELDS, self._route.data[number].tolist(), strict=True))
        left = kept['exit']
        layer = self._model.answer_layers[left]
        result = ExitResult(
            class_index=kept['label'],
            class_name=self._model.class_names[kept['label']],
            confidence=kept['confidence'] / 255,
            exit_index=left,
            exit_layer=layer,
            depth=layer / self._model.layers,
            probabilities=np.zeros(0, np.float32),
            preprocess_ms=0.0,
            inference_ms=0.0,
        )
        return Observation(result, kept['contrast'] / 2, bool(kept['blind']))

    def _scenery_at(self, place_m: float) -> int:
        return min(int(place_m / SCENERY_LENGTH_M), len(self._scenery) - 1)


def label_of(picture: int) -> str:
    """Return what a picture shows."""
    return labels()[picture]
