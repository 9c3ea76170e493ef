"""Times of every exit of one or more engines, taken in turn."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from eevit_ros.images.resize import Image
from eevit_ros.model.engine import Engine, forcing


def frame(engine: Engine) -> Image:
    """Return a frame of the model's own size, uint8 (H, W, 3): always the same noise."""
    meta = engine.metadata
    shape = (meta.input_height, meta.input_width, 3)
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def time_exits(
    engines: Sequence[Engine], rounds: int, *, cpu: bool = False
) -> npt.NDArray[np.float64]:
    """Return the milliseconds of one frame, float64 (rounds, engines, E + 1).

    Of the wall clock in ONNX Runtime; with `cpu` those that this process spent on the frame, which
    is the same on an idle machine for an engine of one thread, and does not count waiting for a
    busy one.

    Every round runs every exit of every engine once, in an order of its own, so that whatever else
    the machine does falls on all alike. The engines' thresholds are left as they were.
    """
    exits = len(engines[0].metadata.exit_layers)
    picture = frame(engines[0])
    before = [engine.thresholds for engine in engines]
    for engine in engines:
        engine.warm_up()
    times = np.empty((rounds, len(engines), exits + 1))
    rng = np.random.default_rng(0)
    for number in range(rounds):
        for run in rng.permutation(len(engines) * (exits + 1)):
            which, exit_index = divmod(int(run), exits + 1)
            engines[which].thresholds = forcing(exit_index, exits)
            start = time.process_time()
            wall_ms = engines[which].run(picture).inference_ms
            cpu_ms = (time.process_time() - start) * 1e3
            times[number, which, exit_index] = cpu_ms if cpu else wall_ms
    for engine, thresholds in zip(engines, before, strict=True):
        engine.thresholds = thresholds
    return times
