"""One frame of an engine that is forced to leave at a certain exit."""

from __future__ import annotations

from collections.abc import Callable

from eevit_ros.model.engine import Engine, forcing
from model_export.measuring.timing import frame

Run = Callable[[], float]
"""One frame; milliseconds in ONNX Runtime."""


def exit_runs(engine: Engine) -> dict[int, Run]:
    """A run for each exit, by the layers that it runs."""
    picture = frame(engine)
    exits = len(engine.metadata.exit_layers)

    def leave_at(exit_index: int) -> float:
        engine.thresholds = forcing(exit_index, exits)
        result = engine.run(picture)
        assert result.exit_index == exit_index, result.exit_index
        return result.inference_ms

    return {
        layer: lambda exit_index=n: leave_at(exit_index)  # type: ignore[misc]
        for n, layer in enumerate(engine.metadata.answer_layers)
    }
