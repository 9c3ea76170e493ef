"""Train the demo's recipe at 224 pixels on a GPU, within a call of 8 minutes; the next goes on.

    benchmarks/gpu/train_demo.sh --data DATA

Before the first step it measures how long a step of each stage takes, and shortens all stages alike
until they fit the calls. Before the time is up it stops at a checkpoint. Each call sends home the
weights so far as float16, in pieces below 16 MiB with their SHA-256, and a report:

    python -m benchmarks.gpu.transfer.pieces OUT/weights models/weights-224

Without a GPU, or with --rehearse, the same is done with a tiny model and invented images.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu.transfer.carried import Carried
from benchmarks.gpu.transfer.pieces import DamagedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Plan, train, send home; returns the exit status."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data', type=Path, help='data set; default: what was carried')
    parser.add_argument('--out', type=Path, help='default: $OUT or build/gpu/out')
    parser.add_argument('--minutes', type=float, default=8.0, help='of this call (default 8)')
    parser.add_argument('--calls', type=int, default=1, help='that may be made in all (default 1)')
    parser.add_argument('--rehearse', action='store_true', help='on the CPU, with a tiny model')
    args = parser.parse_args(arguments)
    try:
        carried = Carried()
        import torch

        from benchmarks.gpu.steps import MissingError
        from benchmarks.gpu.training import job_of, run_job
    except (DamagedError, ImportError) as err:
        print(f'nothing was trained: {err}', file=sys.stderr)
        return 1
    if args.rehearse or not torch.cuda.is_available():
        from benchmarks.gpu.rehearsal import rehearse_training

        print('rehearsal on the CPU' + ': torch sees no GPU' * (not args.rehearse), flush=True)
        return rehearse_training(args, began)
    try:
        job = job_of(args, carried, began)
    except MissingError as err:
        print(f'nothing was trained: {err}', file=sys.stderr)
        return 1
    run_job(job)
    return int(job.steps.failed)


if __name__ == '__main__':
    sys.exit(main())
