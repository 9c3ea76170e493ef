"""Three cameras in one classifier against three classifiers: memory, latency, processor time.

    python -m benchmarks.several_cameras [--rounds 3] [--json FILE] [--document FILE]

Classifiers with the demo model and default parameters, and a process for each camera; this one
listens to the records of all frames. One after the other, in rounds, at each rate of the cameras.
Writes JSON, and with --document the table between the comments `several_cameras` of a document.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray

from benchmarks.camera_feed import TOPIC
from benchmarks.report_file import Cell, Report, Table, add_options, machine
from harness.classifier_peer import key_values
from harness.paths import MODEL
from harness.processes import PROFILE
from harness.ros_process import NodeProcess, RosPeer

CAMERAS = ('front', 'left', 'rear')
RATES_HZ = (4.0, 15.0)
WARM_UP = 10  # frames of each camera, not counted
ONE, THREE = 'one process', 'three processes'
COLUMNS = (
    *('cameras', 'classifiers', 'answered Hz, all', 'of the fewest', 'age p50', 'age p99'),
    *('inference p50', 'CPU an answer', 'memory, MB', 'its own, MB'),
)


@contextmanager
def running(kind: str, peer: RosPeer, folder: Path) -> Iterator[list[NodeProcess]]:
    """Start the classifiers of a kind; each camera is on /<camera>/image."""
    model = ['-p', f'model:={MODEL}']
    arguments = [[*model, '-p', f'cameras:=[{",".join(CAMERAS)}]']]
    if kind == THREE:
        # Their records are named as those of one process.
        arguments = [
            [*model, '-r', f'image:=/{name}/image', '-r', f'__node:=classifier_{name}',
             '-r', f'~/frame:=/classifier/{name}/frame']
            for name in CAMERAS
        ]  # fmt: skip
    with ExitStack() as stack:
        yield [
            stack.enter_context(NodeProcess(peer.domain_id, given, folder / f'node{number}.log'))
            for number, given in enumerate(arguments)
        ]


def measure(kind: str, hz: float, seconds: float, folder: Path) -> list[float]:
    """Return the figures of one run, in the order of `COLUMNS` after the first two."""
    with RosPeer() as peer, running(kind, peer, folder) as nodes, ExitStack() as stack:
        heard = {
            name: peer.listen(DiagnosticArray, f'/classifier/{name}/frame') for name in CAMERAS
        }
        for name in CAMERAS:
            feed = (sys.executable, '-m', 'benchmarks.camera_feed', '640x480', 'bgr8', f'{hz:g}')
            rule = ['-r', f'{TOPIC}:=/{name}/image', '-r', f'__node:=camera_{name}']
            stack.enter_context(
                NodeProcess(peer.domain_id, rule, folder / f'{name}.log', feed)
            )  # fmt: skip
        peer.until(lambda: all(len(frames) > WARM_UP for frames in heard.values()), 'answers')
        for frames in heard.values():
            frames.clear()
        began_s, cpu_s = time.monotonic(), sum(map(_cpu_s, nodes))
        peer.until(lambda: time.monotonic() - began_s > seconds, 'the time')
        cpu_s = sum(map(_cpu_s, nodes)) - cpu_s
        took_s = time.monotonic() - began_s
        values = [key_values(one) for frames in heard.values() for one in frames]
        counts = [len(frames) for frames in heard.values()]
        memory = [_memory_mb(node) for node in nodes]
    ages = np.array([float(one['age_ms']) for one in values])
    inference = np.array([float(one['inference_ms']) for one in values])
    return [
        sum(counts) / took_s,
        min(counts) / took_s,
        float(np.median(ages)),
        float(np.percentile(ages, 99)),
        float(np.median(inference)),
        1e3 * cpu_s / sum(counts),
        sum(shared for shared, _ in memory),
        sum(private for _, private in memory),
    ]


def _cpu_s(node: NodeProcess) -> float:
    """Return the processor time that a process has used so far, seconds."""
    fields = Path(f'/proc/{node.process.pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def _memory_mb(node: NodeProcess) -> tuple[float, float]:
    """Return the memory of a process, MB: with its share of shared pages, and its own alone."""
    text = Path(f'/proc/{node.process.pid}/smaps_rollup').read_text()
    kb = {line.split(':')[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    return kb['Pss'] / 1024, (kb['Private_Clean'] + kb['Private_Dirty']) / 1024


def main() -> None:
    """Measure both at each rate, in turns, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--rounds', type=int, default=3, help='of each: %(default)s')
    parser.add_argument('--seconds', type=float, default=10.0, help='of a run: %(default)s')
    add_options(parser, 'several_cameras')
    args = parser.parse_args()
    os.environ.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', str(PROFILE))
    computer = machine()
    kinds = [(hz, kind) for hz in RATES_HZ for kind in (ONE, THREE)]
    found: dict[tuple[float, str], list[list[float]]] = {one: [] for one in kinds}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(args.rounds):
            for hz, kind in kinds:
                found[hz, kind].append(measure(kind, hz, args.seconds, Path(name)))
    rows: list[list[Cell]] = []
    for hz in RATES_HZ:
        one, three = (np.median(found[hz, kind], axis=0) for kind in (ONE, THREE))
        rows += [[f'3 x {hz:g} Hz', ONE, *one.tolist()], ['', THREE, *three.tolist()]]
        rows.append(['', 'one by three', *(one / three).tolist()])
    report = Report(
        'Three cameras in one process and in three',
        computer,
        [Table('Milliseconds, unless stated otherwise', COLUMNS, rows)],
        [
            f'Medians of {args.rounds} runs of {args.seconds:g} s each, in turns. Cameras of '
            '640x480 bgr8, each a process. age: from the stamp to the answer. CPU an answer: of '
            'all classifiers, transport included. memory: pages that several processes share '
            'count in parts (PSS); its own: pages of one process alone. The computer may have '
            'been busy with other work: compare rows, not with other tables.'
        ],
    )
    report.deliver(args, 'several_cameras')


if __name__ == '__main__':
    main()
