"""What half precision answers and how fast stages are on a GPU, within a call of 8 minutes.

    benchmarks/gpu/check.sh --data DATA --peer CHECKOUT

Compares the float16 and bfloat16 forms with float32, in torch and, where ONNX Runtime has CUDA or
TensorRT, as files; times our stages as CUDA graphs beside the EEViT thesis' eager code and a ViT
without exits at the thesis' mix of exits, and the same files in ONNX Runtime as
`benchmarks.beside_eevit` does. What this machine lacks costs one line, and only its own step.

On a Jetson, without torch: fix the clocks with jetson_clocks, and run it with sudo, which nvpmodel
and jetson_clocks want, on files that were exported on a workstation. tegrastats tells the energy.

    python -m benchmarks.beside_eevit --peer CHECKOUT --rounds 1    # writes build/benchmarks/eevit
    benchmarks/gpu/check.sh --files FOLDER --minutes 60             # with a copy of it

Without a GPU, or with --rehearse, all is done on the CPU with a tiny model and a stand-in for the
thesis' code.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu.transfer.carried import Carried, reports_to
from benchmarks.gpu.transfer.pieces import DamagedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and report; returns the exit status."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data', type=Path, help="the demo model's; default: what was carried")
    parser.add_argument('--peer', type=Path, help='a checkout of early_exit_vit')
    parser.add_argument('--files', type=Path, help='ours.onnx, peer.onnx, plain.onnx to be timed')
    parser.add_argument('--out', type=Path, help='default: $OUT or build/gpu/out')
    parser.add_argument('--minutes', type=float, default=8.0, help='of this call (default 8)')
    parser.add_argument('--rehearse', action='store_true', help='on the CPU, with a tiny model')
    args = parser.parse_args(arguments)
    if args.peer and not args.peer.exists():
        parser.error(f'--peer must be a checkout of early_exit_vit. Got {args.peer}')
    os.environ['NVIDIA_TF32_OVERRIDE'] = '0'  # before a library of CUDA is loaded
    try:
        carried = Carried()
        from benchmarks.gpu.checks import check_of, run_check
        from benchmarks.gpu.steps import Steps
    except (DamagedError, ImportError) as err:
        print(f'nothing was checked: {err}', file=sys.stderr)
        return 1
    if args.rehearse or (not args.files and no_gpu()):
        from benchmarks.gpu.rehearsal import rehearse_check

        print('rehearsal on the CPU' + ': torch sees no GPU' * (not args.rehearse), flush=True)
        return rehearse_check(args, began)
    out = args.out or reports_to()
    steps = Steps('On a GPU', out / 'check', minutes=args.minutes, began=began)
    run_check(check_of(args, carried), steps)
    return int(steps.failed)


def no_gpu() -> bool:
    """Return whether torch sees no GPU; without torch ONNX Runtime may see one all the same."""
    try:
        import torch
    except ImportError:
        return False
    return not torch.cuda.is_available()


if __name__ == '__main__':
    sys.exit(main())
