"""One run of the demo of regions: compose, play, report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from vision_msgs.msg import Detection2DArray

from demo.bag import BagFrame
from demo.playback import node_command, play_through_node, player_command
from demo.recorder import Recorder
from demo.records import Join
from demo.regions.bag import DETECTIONS_TOPIC, TRUE_TOPIC, write_region_bag
from demo.regions.page import RegionRun, write_page
from demo.regions.records import PictureRecord, RegionRecord, picture_record
from demo.regions.scene import compose
from eevit_ros.reporting.host_info import describe_machine

PARAMETERS = (
    'regions:=true',
    'region_margin:=0.0',  # the boxes hold all that is known of a thing
    # Time for all: what a busy computer leaves out says nothing of the model.
    'regions_budget_ms:=1000.0',
    'regions_wait_s:=2.0',
    'rate.stale_after_s:=1.0',
)
TITLE = '  time  of each thing: class and exit layer (! where the class is wrong)'


def run_regions(
    bag: Sequence[BagFrame], output: Path, *, compressed: bool, model: Path | None
) -> None:
    """Show the node several things in each picture, and report.

    Args:
        bag: The demo's recording, which the things are cut from.
        output: Folder for recording, report and logs.
        compressed: Send JPEGs instead of images.
        model: Model file; None lets the node take the one that ships.

    Raises:
        DemoError: A process failed, or something did not happen in time.
    """
    machine = describe_machine()
    frames = list(compose(bag))
    recording = output / 'regions_bag'
    write_region_bag(recording, frames)
    print(f'{len(frames)} pictures of {len(frames[0].things)} things, in {recording}')
    recorder = play_through_node(
        lambda: Recorder(
            Detection2DArray,
            TRUE_TOPIC,
            'regions',
            read=lambda message: message.detections,
            join=Join(picture_record),
            line=_line,
        ),
        node=[
            *node_command(compressed, model),
            *('-r', f'regions:={DETECTIONS_TOPIC}'),
            *(word for one in PARAMETERS for word in ('-p', one)),
        ],
        player=player_command('demo.regions.player', recording, compressed),
        frames=len(frames),
        seconds=(frames[-1].stamp_ns - frames[0].stamp_ns) * 1e-9,
        title=TITLE,
        logs=output,
    )
    records = sorted(recorder.join.records.values(), key=lambda record: record.index)
    summary = summarise(records, played=len(frames))
    summary['model'] = {
        'name': recorder.facts['model'],
        'sha256': recorder.facts['model_hash'],
    }
    summary['provider'], summary['machine'] = recorder.facts['provider'], machine
    first_s = recorder.join.stamps[0] * 1e-9
    rates = [(at - first_s, rate) for at, rate in recorder.rates if at >= first_s]
    page = write_page(RegionRun(frames, records, rates, summary), output)
    print(
        f'\n  {summary["regions_answered"]} of {summary["regions"]} things answered, '
        f'{100 * summary["accuracy"]:.1f} % right, {summary["mean_exit_layer"]:.1f} of '
        f'{summary["layers"]} layers on average'
    )
    for layer, count in summary['exit_histogram'].items():
        print(f'  layer {layer:>2}  {count:5d}  {100 * count / summary["regions_answered"]:5.1f} %')
    print(
        f'\nNext: open {page.absolute().as_uri()} in a browser, or ask a replay:\n'
        f'    python -m eevit_ros.replay run {recording} --truth {TRUE_TOPIC} '
        + ' '.join(f'-p {one}' for one in PARAMETERS)
    )


def summarise(records: Sequence[PictureRecord], *, played: int) -> dict[str, Any]:
    """Return the figures of a run with at least one answered picture."""
    regions = [one for record in records for one in record.regions]
    asked = [one for one in regions if one.exit_layer]
    exits = Counter(one.exit_layer for one in asked)
    return {
        'pictures_played': played,
        'pictures_answered': len(records),
        'regions': len(regions),
        'regions_answered': len(asked),
        'accuracy': fmean(one.right for one in asked),
        'mean_exit_layer': fmean(one.exit_layer for one in asked),
        'layers': records[0].layers,
        'exit_histogram': {str(layer): exits[layer] for layer in sorted(exits)},
        'accuracy_by_exit': {str(layer): _accuracy(asked, layer) for layer in sorted(exits)},
        'latency_ms': median(record.latency_ms for record in records),
        'rate': {
            'mean': fmean(record.adaptive_rate for record in records),
            'min': min(record.adaptive_rate for record in records),
        },
    }


def _accuracy(regions: Sequence[RegionRecord], layer: int) -> float:
    return fmean(one.right for one in regions if one.exit_layer == layer)


def _line(record: PictureRecord, first_ns: int) -> str:
    """Return one picture's line for the terminal."""
    words = ' '.join(
        f'{one.label[:11] or "-":>11} {one.exit_layer:2d}{" " if one.right else "!"}'
        for one in record.regions
    )
    seconds = (record.stamp_ns - first_ns) * 1e-9
    return f'{seconds:5.1f}s  {words}  rate {record.adaptive_rate:4.2f} {record.latency_ms:6.1f} ms'
