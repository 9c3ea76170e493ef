"""How fast a model is on this machine, with every provider that it has, as one JSON file.

Needs what a robot has (NumPy, OpenCV, ONNX Runtime) and no torch, matplotlib or tqdm.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import PROVIDERS, Compute, all_cores
from eevit_ros.model.engine import Engine
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.reporting.host_info import describe_machine
from model_export.errors import ModelExportError
from model_export.measuring.timing import time_exits
from model_export.studies.registry import StudyInputs
from model_export.studies.report import model_facts, versions

ROUNDS = 100
FOLDER = 'machines'  # under --out
KEYS = ('machine', 'model', 'rounds', 'providers')


def write_machine(inputs: StudyInputs) -> None:
    """Measure this machine into `inputs.out`, a `.json` file or the studies' folder.

    Raises:
        ModelExportError: There is no model.
    """
    if inputs.model is None:
        raise ModelExportError('study platform needs --model')
    machine = describe_machine()
    name = inputs.machine or str(machine['cpu'])
    out = inputs.out
    if out.suffix != '.json':
        slug = re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')
        out = out / FOLDER / f'{slug}.json'
    rounds = min(ROUNDS, inputs.limit or ROUNDS)
    print(f'{name}: every provider, {rounds} rounds')
    data = {
        'machine': {'name': name, **machine, 'gpu': _gpu()},
        'versions': versions(),
        'model': model_facts(inputs.model),
        'rounds': rounds,
        'providers': [_measure(inputs.model, provider, rounds) for provider in PROVIDERS],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(data, indent=1) + '\n')
    print(f'wrote {out}')


def shares(meta: ModelMetadata) -> tuple[float, ...] | None:
    """Return the shares of calibration images that left at each exit; None if not known."""
    if not meta.calibration_counts:
        return None
    counts = np.array(meta.calibration_counts).sum(axis=1)
    return tuple(float(share) for share in counts / counts.sum())


def mixed_percentile(
    times: npt.NDArray[np.float64], share: tuple[float, ...], percent: float
) -> float:
    """Return a percentile of `times` (rounds, E + 1), each exit weighted by its share."""
    order = np.argsort(times, axis=None)
    weights = np.broadcast_to(np.array(share) / len(times), times.shape).ravel()[order]
    place = np.searchsorted(np.cumsum(weights), percent / 100 - 1e-9)
    return float(times.ravel()[order][min(int(place), times.size - 1)])


def _measure(model: Path, provider: str, rounds: int) -> dict[str, Any]:
    """Measure one provider, or say why it cannot run."""
    start = time.perf_counter()
    try:
        engine = Engine(model, compute=Compute(provider=provider, threads=all_cores()))
        load_ms = (time.perf_counter() - start) * 1e3
        times = time_exits([engine], rounds)[:, 0]
    except EevitError as err:
        words = str(err).replace(f'{model}: ', '').splitlines()[0]
        return {'provider': provider, 'not_run': words.partition(';')[0][:160]}
    share = shares(engine.metadata)
    row: dict[str, Any] = {
        'provider': provider,
        'load_ms': load_ms,
        'layers': engine.metadata.answer_layers,
        'p50_ms': np.percentile(times, 50, axis=0).tolist(),
        'p99_ms': np.percentile(times, 99, axis=0).tolist(),
    }
    if share is not None:
        row['mix_mean_ms'] = float(times.mean(axis=0) @ np.array(share))
        row['mix_p50_ms'] = mixed_percentile(times, share, 50)
        row['mix_p99_ms'] = mixed_percentile(times, share, 99)
        row['mix_speedup'] = float(times[:, -1].mean()) / row['mix_mean_ms']
    return row


def _gpu() -> str:
    """Return the name of the first NVIDIA GPU, or '' (a Jetson's is in the board's name)."""
    tool = shutil.which('nvidia-smi')
    if tool is None:
        return ''
    query = [tool, '--query-gpu=name', '--format=csv,noheader']
    done = subprocess.run(query, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else ''


def read_machine(path: Path) -> dict[str, Any]:
    """Read what `write_machine` wrote.

    Raises:
        ModelExportError: It is no such file.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text())
        missing = [key for key in KEYS if key not in data]
    except (OSError, ValueError, TypeError) as err:
        raise ModelExportError(f'cannot read the machine {path}: {err}') from err
    if missing:
        raise ModelExportError(
            f'{path} was not written by `study platform --out FILE.json`: it lacks {missing}'
        )
    return data
