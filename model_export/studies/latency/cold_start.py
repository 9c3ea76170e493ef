"""One cold start of a model, measured from inside a fresh process.

    python -m model_export.studies.latency.cold_start MODEL.onnx RUNS

prints one line of JSON; `latency.py` starts it several times. Nothing heavy is imported before the
clock runs.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from model_export.errors import ModelExportError

NEAR = 1.05  # of the steady state
THREADS = 1


@dataclass(frozen=True)
class ColdStart:
    """Milliseconds of one start, by one clock.

    Attributes:
        import_ms: Importing NumPy, OpenCV, ONNX Runtime and the engine's modules.
        session_ms: Reading the file and making the session.
        first_ms: The first inference, at full depth.
        runs_ms: Each inference after it, at full depth.
    """

    import_ms: float
    session_ms: float
    first_ms: float
    runs_ms: list[float]

    @property
    def steady_ms(self) -> float:
        """Median of the second half of the runs."""
        return statistics.median(self.runs_ms[len(self.runs_ms) // 2 :])

    def runs_until_warm(self) -> int:
        """Count the runs before five in a row with a median near the steady state."""
        times = [self.first_ms, *self.runs_ms]
        for count in range(len(times) - 4):
            if statistics.median(times[count : count + 5]) <= NEAR * self.steady_ms:
                return count
        return len(times)


def cold_start(model: Path, runs: int) -> tuple[ColdStart, ColdStart]:
    """Start once in a fresh process; return its times by the wall clock and on the CPU.

    Raises:
        ModelExportError: The process failed; the message ends with its last line.
    """
    command = [
        sys.executable,
        '-m',
        'model_export.studies.latency.cold_start',
        str(model),
        str(runs),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ['no message']
        raise ModelExportError(f'{model} does not start in a fresh process: {said[0]}')
    wall, cpu = json.loads(done.stdout)
    return ColdStart(**wall), ColdStart(**cpu)


def _measure(model: Path, runs: int) -> list[dict[str, Any]]:
    """Measure one start by both clocks; return two `ColdStart`, ready for JSON."""
    stamps = [_now()]
    import cv2  # noqa: F401 (the imports are part of the start)
    import numpy as np
    import onnxruntime  # noqa: F401

    from eevit_ros.model.check import ModelFile, check_model
    from eevit_ros.model.compute import Compute
    from eevit_ros.model.ort_session import open_session

    stamps.append(_now())
    file = ModelFile(model)
    compute = Compute(provider='cpu', threads=THREADS)
    # As the node opens it.
    session = open_session(file.outline or str(file.path), compute, weights=file.path.parent)
    stamps.append(_now())
    metadata = check_model(session)
    stamps.append(_now())
    feed = {
        'image': np.zeros((1, metadata.input_height, metadata.input_width, 3), np.uint8),
        'thresholds': np.ones(len(metadata.exit_layers), np.float32),
    }
    session.run(None, feed)
    stamps.append(_now())
    for _ in range(runs):
        session.run(None, feed)
        stamps.append(_now())
    starts = []
    for clock in (0, 1):
        took = [(after[clock] - before[clock]) * 1e3 for before, after in pairwise(stamps)]
        starts.append(asdict(ColdStart(took[0], took[1], took[3], took[4:])))
    return starts


def _now() -> tuple[float, float]:
    """Return seconds of the wall clock and of this process on the CPU."""
    return time.perf_counter(), time.process_time()


if __name__ == '__main__':
    print(json.dumps(_measure(Path(sys.argv[1]), int(sys.argv[2]))))
