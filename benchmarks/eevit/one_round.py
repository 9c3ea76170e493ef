"""One round of one side, in a process of its own: memory and time to load are this side's alone.

    python -m benchmarks.eevit.one_round SIDE FILE [--threads 2] [--runs 2] [--provider cpu]

SIDE is `peer` or `plain`, a file in ONNX Runtime with its default options, or `single` or `staged`,
a file of ours in the package's engine. All import the same. Prints JSON.

With --power each exit runs once more, --runs times in a row, while a command such as `tegrastats
--interval 100` prints what the board draws: energy of a frame is mean power x time.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.exit_runs import Run, exit_runs
from eevit_ros.model.compute import PROVIDERS, Compute, all_cores
from eevit_ros.model.engine import Engine
from eevit_ros.model.ort_session import import_onnxruntime, load_gpu_libraries, tensorrt_options

SURE = 100.0  # logit of a class that nothing outweighs


def open_engine(args: argparse.Namespace) -> dict[int, Run]:
    """Our file, forced by thresholds: what to run, by the layers that it runs."""
    compute = Compute(
        provider=args.provider,
        threads=args.threads,
        execution=args.side,
        tensorrt_fp16=args.fp16,
        cache_dir=str(args.cache_dir.absolute()) if args.cache_dir else '',
    )
    return exit_runs(Engine(args.file, compute=compute))


def open_session(args: argparse.Namespace) -> Any:
    """ONNX Runtime as it comes, on the same provider with the same number of threads."""
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.log_severity_level = 3
    provider: Any = PROVIDERS[args.provider]
    if args.provider != 'cpu':
        load_gpu_libraries()
    if args.provider == 'tensorrt':
        args.cache_dir.mkdir(parents=True, exist_ok=True)
        compute = Compute(tensorrt_fp16=args.fp16)
        provider = (provider, tensorrt_options(compute, args.cache_dir / args.side))
    session = ort.InferenceSession(
        str(args.file), options, providers=[provider, 'CPUExecutionProvider']
    )
    if PROVIDERS[args.provider] not in session.get_providers():
        sys.exit(f'ONNX Runtime did not start {args.provider} but {session.get_providers()}')
    return session


def open_peer(args: argparse.Namespace) -> dict[int, Run]:
    """The peer's file, forced by the biases of its exits' classifiers, see `forced_by_input`."""
    session = open_session(args)
    (image,) = session.get_inputs()
    biases = session.get_overridable_initializers()
    pixels = np.random.default_rng(0).standard_normal(image.shape, np.float32)

    def run(feed: dict[str, Any], index: int) -> float:
        start = time.perf_counter()
        (answer,) = session.run(None, feed)
        spent_ms = (time.perf_counter() - start) * 1e3
        assert answer[0, -1] == index, answer[0, -1]  # the layer where it left, from 0; else -1
        return spent_ms

    runs: dict[int, Run] = {}
    for bias in biases:
        found = re.search(r'layers\.(\d+)\.', bias.name)
        assert found, bias.name
        sure = np.zeros(bias.shape, np.float32)
        sure[0] = SURE
        feed, index = {image.name: pixels, bias.name: sure}, int(found[1])
        runs[index + 1] = lambda feed=feed, index=index: run(feed, index)  # type: ignore[misc]
    runs[args.layers] = lambda: run({image.name: pixels}, -1)
    return runs


def open_plain(args: argparse.Namespace) -> dict[int, Run]:
    """A backbone without exits, or a file of ours at full depth."""
    session = open_session(args)
    image, *thresholds = session.get_inputs()
    feed = {image.name: np.random.default_rng(0).integers(0, 256, image.shape, np.uint8)}
    feed |= {one.name: np.ones(one.shape, np.float32) for one in thresholds}

    def run() -> float:
        start = time.perf_counter()
        session.run(None, feed)
        return (time.perf_counter() - start) * 1e3

    return {args.layers: run}


OPEN = {'peer': open_peer, 'plain': open_plain, 'single': open_engine, 'staged': open_engine}


def memory_mb(field: str) -> float:
    """A field of /proc/self/status, such as VmRSS, in MB."""
    found = re.search(rf'{field}:\s+(\d+) kB', Path('/proc/self/status').read_text())
    assert found, field
    return int(found[1]) * 1024 / 1e6


def milliwatts(line: str) -> float | None:
    """What a line of tegrastats says that the board draws; None if it says nothing.

    The whole board's rail where there is one (Orin Nano, NX), else the sum of all (AGX Orin).
    """
    rails = {name: float(value) for name, value in re.findall(r'(\w+) (\d+)mW/', line)}
    return rails.get('VDD_IN', sum(rails.values())) if rails else None


def energy_mj(run: Run, runs: int, command: str) -> float:
    """Millijoules of a frame, the mean of `runs` of them."""
    with subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, text=True) as meter:
        assert meter.stdout
        meter.stdout.readline()  # it has started; this line was of before
        try:
            start = time.perf_counter()
            for _ in range(runs):
                run()
            spent_s = time.perf_counter() - start
        finally:
            meter.terminate()
        output, _ = meter.communicate()
    drawn = [power for line in output.splitlines() if (power := milliwatts(line)) is not None]
    if not drawn:
        sys.exit(f'{command} said nothing of power in {spent_s:.2f} s; give more --runs')
    return float(np.mean(drawn)) * spent_s / runs


def main() -> None:
    """Load, run every exit in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('side', choices=OPEN)
    parser.add_argument('file', type=Path)
    parser.add_argument('--layers', type=int, default=12, help='of the whole network')
    parser.add_argument('--threads', type=int, default=all_cores())
    parser.add_argument('--runs', type=int, default=2, help='of each exit')
    parser.add_argument('--provider', choices=PROVIDERS, default='cpu')
    parser.add_argument(
        '--fp16', action='store_true', help='let TensorRT compute in half precision'
    )
    parser.add_argument('--cache-dir', type=Path, help="for TensorRT's engines")
    parser.add_argument('--power', help='a command that prints lines of tegrastats')
    args = parser.parse_args()
    start, start_cpu = time.perf_counter(), time.process_time()
    runs = OPEN[args.side](args)
    load_s, load_cpu_s = time.perf_counter() - start, time.process_time() - start_cpu
    for run in runs.values():
        run()
    spent_ms: dict[int, list[float]] = {layer: [] for layer in runs}
    for _ in range(args.runs):
        for layer, run in runs.items():
            spent_ms[layer].append(run())
    figures = {
        'load_s': load_s,
        'load_cpu_s': load_cpu_s,
        'rss_mb': memory_mb('VmRSS'),
        'peak_mb': memory_mb('VmHWM'),
        'ms': {layer: float(np.median(values)) for layer, values in spent_ms.items() if values},
    }
    if args.power:
        figures['mj'] = {
            layer: energy_mj(run, args.runs, args.power) for layer, run in runs.items()
        }
    print(json.dumps(figures))


if __name__ == '__main__':
    main()
