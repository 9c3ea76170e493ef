"""One run of the demo: check, play, summarise, report."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from vision_msgs.msg import Classification

from demo import terminal
from demo.bag import IMAGE_TOPIC, SHIPPED_BAG, TRUTH_TOPIC, BagFrame, read_bag
from demo.errors import DemoError
from demo.playback import node_command, play_through_node, player_command
from demo.recorder import Recorder
from demo.records import FrameRecord, Join, frame_record
from demo.report.summary import summarise
from eevit_ros.reporting.host_info import describe_machine
from harness.command import run_command

OUTPUT = Path(__file__).parents[1] / 'build' / 'demo'
SHARED_MEMORY = Path('/dev/shm')
SHARED_MEMORY_NEED = 2 * 64 * 1024 * 1024  # bytes: a segment each for node and player


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit code: 0, 1 with a reason on stderr, 130 for Ctrl-C."""
    options = _options(args)
    return run_command('demo', options.output, lambda: _run(options), DemoError)


def _options(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m demo',
        description='Plays a recorded camera through the real classifier node and reports.',
    )
    parser.add_argument('--bag', type=Path, default=SHIPPED_BAG, help='recording to play')
    parser.add_argument('--compressed', action='store_true', help='play the JPEGs as they are')
    parser.add_argument(
        '--regions', action='store_true', help='several things in each picture, boxed by a detector'
    )
    parser.add_argument('--model', type=Path, help='model file; default: the one that ships')
    parser.add_argument(
        '--output',
        type=Path,
        default=OUTPUT,
        help='folder for report and logs; default: build/demo',
    )
    return parser.parse_args(args)


def _run(options: argparse.Namespace) -> None:
    bag = read_bag(options.bag)
    if (free := shutil.disk_usage(SHARED_MEMORY).free) < SHARED_MEMORY_NEED:
        print(
            f'demo: {SHARED_MEMORY} has {free >> 20} MiB free and {SHARED_MEMORY_NEED >> 20} MiB '
            'are needed, so frames may be lost; in a container use --shm-size=512m or --ipc=host',
            file=sys.stderr,
        )
    if options.regions:
        from demo.regions.run import run_regions  # see _report

        run_regions(bag, options.output, compressed=options.compressed, model=options.model)
        return
    machine = describe_machine()
    seconds = (bag[-1].stamp_ns - bag[0].stamp_ns) * 1e-9
    print(f'{len(bag)} frames, {seconds:.0f} s, from {options.bag}')
    recorder = play_through_node(
        lambda: Recorder(
            Classification,
            TRUTH_TOPIC,
            'classification',
            read=lambda message: message.results[0].class_id,
            join=Join(frame_record),
            line=terminal.frame_line,
        ),
        node=node_command(options.compressed, options.model),
        player=player_command('demo.player', options.bag, options.compressed),
        frames=len(bag),
        seconds=seconds,
        title=terminal.HEADER,
        logs=options.output,
    )
    _report(bag, recorder, options, machine)


def _report(
    bag: list[BagFrame],
    recorder: Recorder[str, FrameRecord],
    options: argparse.Namespace,
    machine: dict[str, str | int | float],
) -> None:
    """Summarise and write the report."""
    # Here, as Matplotlib takes longer to load than all else, and who stops early needs none of it.
    from demo.report.page import Run, write_html, write_json

    stamps = recorder.join.stamps
    records = sorted(recorder.join.records.values(), key=lambda record: record.index)
    camera_hz = (len(stamps) - 1) / ((stamps[-1] - stamps[0]) * 1e-9)
    summary = summarise(records, played=len(stamps), layers=records[0].layers, camera_hz=camera_hz)
    facts = recorder.facts
    summary['model'] = {'name': facts['model'], 'sha256': facts['model_hash']}
    summary['provider'] = facts['provider']
    first_s = stamps[0] * 1e-9
    rates = [(at - first_s, rate) for at, rate in recorder.rates if at >= first_s]
    summary['transport'] = f'{IMAGE_TOPIC}/compressed' if options.compressed else IMAGE_TOPIC
    summary['machine'] = machine
    run = Run(bag, records, rates, summary)
    page, data = options.output / 'report.html', options.output / 'report.json'
    write_json(run, data)
    write_html(run, page, options.output / 'overview.png')
    print(terminal.summary_text(summary))
    print(f'\n  {data}\n  {page}\nNext: open {page.absolute().as_uri()} in a browser')
