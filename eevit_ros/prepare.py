"""Builds TensorRT engines before the robot moves, and proves that a model runs here.

ros2 run eevit_ros prepare --model MODEL.onnx        (or python -m eevit_ros.prepare)

The node also builds missing engines when it is configured, but then the robot waits for minutes.
Give the options that the node's parameters have: each combination has engines of its own.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import EXECUTIONS, PROVIDERS, Compute
from eevit_ros.model.engine import Engine
from eevit_ros.parameters.classifier import demo_model

MIB = 1 << 20


def main(args: Sequence[str] | None = None) -> int:
    """Prepare a model and return the exit code: 0, or 1 if it does not run as asked."""
    options = _parser().parse_args(args)
    try:
        _prepare(options)
    except EevitError as err:
        print(f'prepare: {err}', file=sys.stderr)
        return 1
    return 0


def _prepare(options: argparse.Namespace) -> None:
    start_s = time.perf_counter()

    def log(text: str) -> None:
        print(f'[{time.perf_counter() - start_s:7.1f} s] {text}', flush=True)

    model = options.model.expanduser()
    compute = Compute(
        provider=options.provider,
        execution=options.execution,
        tensorrt_fp16=not options.fp32,
        cache_dir=options.cache_dir,
    )
    engine = Engine(model, compute=compute, log=log)
    log(f'{engine.metadata.name} ({model}) is open on {engine.provider}, {engine.execution}')
    engine.warm_up()
    log(f'{len(engine.metadata.answer_layers)} exits have answered')
    if engine.provider_note:
        print(f'prepare: WARNING: {engine.provider_note}', file=sys.stderr)
    log(_outcome(engine))


def _outcome(engine: Engine) -> str:
    """Return one line about what was built, and in which folder."""
    cache = engine.engine_cache
    if cache is None or engine.provider != 'tensorrt':
        return f'nothing to build: only TensorRT builds engines, and this is {engine.provider}'
    if not (engines := cache.engines()):  # the log has said why
        return 'the engines were built and could not be kept'
    size = sum(path.stat().st_size for path in engines)
    kept = f'{size / MIB:.1f} MiB of engines in {cache.path.parent}'
    return f'built: {kept}' if cache.built else f'nothing to build: there are {kept}'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='prepare', description=(__doc__ or '').partition('\n')[0])
    parser.add_argument(
        '--model', type=Path, default=demo_model(), help='.onnx file (default: the demo model)'
    )
    parser.add_argument('--provider', default='auto', choices=('auto', *PROVIDERS))
    parser.add_argument(
        '--execution',
        default='auto',
        choices=EXECUTIONS,
        help='staged for a node with an exit_policy (default: %(default)s)',
    )
    parser.add_argument('--fp32', action='store_true', help='as tensorrt_fp16 false')
    parser.add_argument('--cache-dir', default='', help='as the parameter cache_dir')
    return parser


if __name__ == '__main__':
    sys.exit(main())
