"""One run of the drive: the offline study, then paths behind the real nodes, and the report.

Behind the real nodes our policy drives in real time; the others drive the same paths after it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from drive.errors import DriveError
from drive.lanes import run_lanes
from drive.policy import AT_FLOOR, CONSTANT, FULL, OURS, RATE
from drive.report import study as study_report
from drive.report import terminal
from drive.report.comparison import compare
from drive.report.page import write_report
from drive.robot import FLOOR, TOP_SPEED_MPS, constant_speed_mps
from drive.scene.world import LENGTH_M, SEEDS_WITHOUT_REPETITION
from drive.study.study import open_setup, run_study
from drive.study.worlds import REPORT
from eevit_ros.reporting.host_info import describe_machine
from harness.command import run_command
from harness.domains import isolate

OUTPUT = Path(__file__).parents[1] / 'build' / 'drive'
SEEDS, REAL_SEEDS = 2, 10


def main(args: Sequence[str] | None = None) -> int:
    """Run the drive and return the exit code: 0, 1 with a reason on stderr, 130 for Ctrl-C."""
    options = _options(args)
    return run_command('drive', options.output, lambda: _run(options), DriveError)


def _options(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m drive',
        description='Drives hundreds of paths offline, then some behind the real classifier and '
        'the real governor, and compares them with constant speeds.',
    )
    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument(
        '--seeds',
        type=_seeds,
        default=SEEDS,
        help=f'how many paths behind the real nodes; default: {SEEDS}',
    )
    how_many.add_argument(
        '--real',
        dest='seeds',
        action='store_const',
        const=REAL_SEEDS,
        help=f'{REAL_SEEDS} paths behind the real nodes',
    )
    parser.add_argument(
        '--first-seed',
        type=int,
        default=0,
        help='default: 0; the parameters were chosen on seeds from 100 up',
    )
    parser.add_argument(
        '--at-once',
        type=int,
        default=_cores(),
        help='robots that drive in real time at once; default: one a core',
    )
    parser.add_argument('--model', type=Path, help='model file; default: the one that ships')
    parser.add_argument(
        '--output',
        type=Path,
        default=OUTPUT,
        help='folder for report and logs; default: build/drive',
    )
    return parser.parse_args(args)


def _seeds(text: str) -> int:
    count = int(text)
    if not 1 <= count <= SEEDS_WITHOUT_REPETITION:
        raise argparse.ArgumentTypeError(
            f'must be 1 to {SEEDS_WITHOUT_REPETITION}: there are no signs for more. Got {count}'
        )
    return count


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _run(options: argparse.Namespace) -> None:
    start_s = time.monotonic()
    machine = describe_machine()
    with terminal.progress('answers of the model') as show:
        setup = open_setup(REPORT, options.model, processes=_cores(), show=show)
    with terminal.progress('offline study') as show:
        study = run_study(setup, show)
    (options.output / 'study.json').write_text(json.dumps(study) + '\n')
    print('\n' + study_report.lines(study) + '\n')
    isolate()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print(terminal.opening(seeds, options.at_once))

    def drive(what: str, drives: Sequence[str], at_once: int) -> list[dict[str, Any]]:
        with terminal.progress(what) as show:
            return run_lanes(
                drives,
                at_once=at_once,
                folder=options.output,
                model=options.model,
                show=show,
            )

    ours = drive('ours, in real time', [str(seed) for seed in seeds], max(1, options.at_once))
    speeds = {
        FULL: [TOP_SPEED_MPS] * len(seeds),
        AT_FLOOR: [FLOOR * TOP_SPEED_MPS] * len(seeds),
        CONSTANT: [constant_speed_mps(LENGTH_M, run['seconds']) for run in ours],
    }
    # In all four drives of a path answers arrive as late as they did in real time.
    age_s = [np.median(run['ages_ms']) / 1000 for run in ours]
    results = iter(
        drive(
            'constant speeds, as fast as the classifier answers',
            [
                f'{seeds[n]}:{speed:.6f}:{age_s[n]:.6f}'
                for policy in speeds
                for n, speed in enumerate(speeds[policy])
            ],
            _cores(),
        )
    )
    runs = {policy: list(islice(results, len(seeds))) for policy in speeds} | {OURS: ours}
    summary = {
        'comparison': compare(runs),
        'real_time': _real_time(ours),
        'rate': RATE,
        'model': {'name': ours[0]['model'], 'sha256': ours[0]['model_hash']},
        'provider': ours[0]['provider'],
        'at_once': options.at_once,
        'machine': machine,
        'took_s': round(time.monotonic() - start_s),
    }
    files = write_report(
        options.output, runs, summary, study_report.curves(study), study_report.lines(study)
    )
    print(terminal.summary_text(summary))
    print('\n' + '\n'.join(f'  {path}' for path in files))
    print(f'Next: open {files[0].absolute().as_uri()} in a browser')


def _real_time(ours: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures that tell whether this computer kept up in real time."""
    ages = [age for run in ours for age in run['ages_ms']]
    p50, p99 = np.percentile(ages, (50, 99))
    sent = sum(run['frames_sent'] for run in ours)
    return {
        'frames_sent': sent,
        'frames_answered': sum(len(run['frames']) for run in ours),
        'age_ms': {'p50': round(float(p50), 1), 'p99': round(float(p99), 1)},
        'late_ms': max(run['late_ms'] for run in ours),
    }
