"""One run of the demo: check, play, summarise, report."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import io
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from demo import terminal
from demo.bag import IMAGE_TOPIC, SHIPPED_BAG, BagFrame, read_bag
from demo.errors import DemoError
from demo.playback import play_through_node
from demo.recorder import Recorder
from demo.report.page import Run, write_html, write_json
from demo.report.summary import summarise
from eevit_ros.reporting.host_info import describe_machine
from harness.errors import HarnessError

OUTPUT = Path(__file__).parents[1] / 'build' / 'demo'
SHARED_MEMORY = Path('/dev/shm')
SHARED_MEMORY_NEED = 2 * 64 * 1024 * 1024  # bytes: a segment each for node and player


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit code: 0, 1 with a reason on stderr, 130 for Ctrl-C."""
    options = _options(args)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors='replace')  # a terminal that has no block characters
    # SIGINT too: a shell script's background jobs inherit it as ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with _only_run(options.output):
            _run(options)
    except BrokenPipeError:  # the reader of the output has gone: `make demo | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (
        DemoError,
        HarnessError,
        OSError,
    ) as err:  # OSError: the disk is full, a log cannot be written, ...
        print(f'\ndemo: {err}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\ndemo: stopped before the end; no report was written', file=sys.stderr)
        return 130
    return 0


def _options(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m demo',
        description='Plays a recorded camera through the real classifier node and reports.',
    )
    parser.add_argument('--bag', type=Path, default=SHIPPED_BAG, help='recording to play')
    parser.add_argument('--compressed', action='store_true', help='play the JPEGs as they are')
    parser.add_argument('--model', type=Path, help='model file; default: the one that ships')
    parser.add_argument(
        '--output',
        type=Path,
        default=OUTPUT,
        help='folder for report and logs; default: build/demo',
    )
    return parser.parse_args(args)


@contextlib.contextmanager
def _only_run(output: Path) -> Iterator[None]:
    """Hold the output folder for this run alone."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock = (output / '.lock').open('w')
    except OSError as err:
        raise DemoError(
            f'cannot write to {output} ({err}): free it, or name another folder with --output'
        ) from err
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(
                f'another demo is running in {output}: wait for it, or name another folder with '
                '--output'
            ) from None
        yield


def _run(options: argparse.Namespace) -> None:
    bag = read_bag(options.bag)
    machine = describe_machine()
    seconds = (bag[-1].stamp_ns - bag[0].stamp_ns) * 1e-9
    print(f'{len(bag)} frames, {seconds:.0f} s, from {options.bag}')
    if (free := shutil.disk_usage(SHARED_MEMORY).free) < SHARED_MEMORY_NEED:
        print(
            f'demo: {SHARED_MEMORY} has {free >> 20} MiB free and {SHARED_MEMORY_NEED >> 20} MiB '
            'are needed, so frames may be lost; in a container use --shm-size=512m or --ipc=host',
            file=sys.stderr,
        )
    recorder = play_through_node(
        options.bag,
        frames=len(bag),
        seconds=seconds,
        compressed=options.compressed,
        model=options.model,
        logs=options.output,
    )
    run = _digest(bag, recorder)
    run.summary['transport'] = f'{IMAGE_TOPIC}/compressed' if options.compressed else IMAGE_TOPIC
    run.summary['machine'] = machine
    page, data = options.output / 'report.html', options.output / 'report.json'
    write_json(run, data)
    write_html(run, page, options.output / 'overview.png')
    print(terminal.summary_text(run.summary))
    print(f'\n  {data}\n  {page}\nNext: open {page.absolute().as_uri()} in a browser')


def _digest(bag: list[BagFrame], recorder: Recorder) -> Run:
    stamps = recorder.join.stamps
    records = sorted(recorder.join.records.values(), key=lambda record: record.index)
    camera_hz = (len(stamps) - 1) / ((stamps[-1] - stamps[0]) * 1e-9)
    summary = summarise(records, played=len(stamps), layers=records[0].layers, camera_hz=camera_hz)
    facts = recorder.facts
    summary['model'] = {'name': facts['model'], 'sha256': facts['model_hash']}
    summary['provider'] = facts['provider']
    first_s = stamps[0] * 1e-9
    rates = [(at - first_s, rate) for at, rate in recorder.rates if at >= first_s]
    return Run(bag, records, rates, summary)
