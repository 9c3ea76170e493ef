"""What the node costs beside the network: from the image's callback to the published answer.

    python -m benchmarks.node_cost [--seconds 600] [--json FILE] [--document FILE]

The classifier with the demo model and default parameters, and a camera, are processes of their own;
this one listens to ~/frame. First the node with a stop watch (timed_node.py) and fewer frames than
it could answer; then the node as it is and twice as many, for age and memory. Writes JSON,
and with --document the tables between the comments `node_cost` of a document.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray

from benchmarks.camera_feed import FORMATS, SIZES, TOPIC
from benchmarks.report_file import Cell, Report, Table, add_options, machine
from harness.classifier_peer import key_values
from harness.paths import MODEL
from harness.processes import PROFILE
from harness.ros_process import NodeProcess, RosPeer

NODE = (sys.executable, '-m', 'eevit_ros.nodes.classifier.node')
WARM_UP = 10  # frames, not counted
OVERLOAD = 2  # times as many frames as are answered
DEEP = ('-p', f'qos_overrides.{TOPIC}.subscription.depth:=5')  # raw images have depth 1
TARGET_MS = {'640x480': 1.0, '1920x1080': 3.0}
PARTS = ('waiting', 'decoding', 'resizing', 'rest')
COST = ('frame', 'answers', 'own p50', 'target', 'own p99', *PARTS, 'inference p50')
AGE = (
    *('frame', 'camera Hz', 'received Hz', 'answered Hz', 'age p50', 'p99', 'allowed'),
    *('p99 of the first third', 'of the last', 'MB, first third', 'last'),
)


class Listener:
    """What a running node said of its frames."""

    def __init__(self, peer: RosPeer, process: NodeProcess) -> None:
        """Listen."""
        self._peer, self._process = peer, process
        self._frames = peer.listen(DiagnosticArray, '/classifier/frame')
        self._reports = peer.listen(DiagnosticArray, '/diagnostics')
        self.memory_mb: list[float] = []  # with every look

    def hear(self, frames: int) -> None:
        """Wait for so many more answers."""
        wanted = len(self._frames) + frames
        self._peer.until(lambda: len(self._frames) >= wanted, 'an answer', node=self._process)

    def hear_for(self, seconds: float) -> None:
        """Listen for a time, and look at the node's memory."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.hear(1)
            pages = Path(f'/proc/{self._process.process.pid}/statm').read_text().split()[1]
            self.memory_mb.append(int(pages) * os.sysconf('SC_PAGE_SIZE') / 2**20)

    def values(self, name: str) -> np.ndarray:
        """Return a value of all answers but the first ones; NaN where it is no number."""
        texts = [key_values(message)[name] for message in self._frames[WARM_UP:]]
        return np.array([_number(text) for text in texts])

    def received_hz(self) -> float:
        """Return how many frames a second reached the node, by its latest report."""
        return _number(key_values(self._reports[-1])['receive_hz'])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float('nan')


@contextlib.contextmanager
def running(
    size: str, kind: str, hz: float, folder: Path, node: Sequence[str], *more: str
) -> Iterator[tuple[Listener, NodeProcess]]:
    """Start a node, with `more` ROS arguments, and a camera."""
    transport = 'raw' if kind == 'bgr8' else 'compressed'
    ros_args = ['-r', f'image:={TOPIC}', '-p', f'model:={MODEL}', *more]
    ros_args += ['-p', f'image_transport:={transport}']
    feed = (sys.executable, '-m', 'benchmarks.camera_feed', size, kind, f'{hz:g}')
    with (
        RosPeer() as peer,
        NodeProcess(peer.domain_id, ros_args, folder / 'node.log', node) as process,
    ):
        listener = Listener(peer, process)
        with NodeProcess(peer.domain_id, [], folder / 'camera.log', feed):
            listener.hear(WARM_UP)
            yield listener, process


def cost(size: str, kind: str, frames: int, hz: float, folder: Path) -> tuple[list[Cell], float]:
    """Take the time of a node that keeps up with its camera.

    Returns:
        A row of `COST`, and how many frames a second that would let it answer.
    """
    out = folder / f'{size}_{kind}.json'
    timed = (sys.executable, '-m', 'benchmarks.timed_node', str(out))
    with running(size, kind, hz, folder, timed) as (listener, process):
        listener.hear(frames)
        process.stop()
    rows = json.loads(out.read_text())[WARM_UP:]
    seen = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    p50 = {name: float(np.median(values)) for name, values in seen.items()}
    own_p99 = float(np.percentile(seen['own'], 99))
    parts = [p50[part] for part in (*PARTS, 'inference')]
    row: list[Cell] = [f'{size} {kind}', len(rows), p50['own'], TARGET_MS[size], own_p99, *parts]
    return row, 1e3 / (p50['own'] + p50['inference'])


def age(size: str, kind: str, seconds: float, hz: float, folder: Path, *more: str) -> list[Cell]:
    """Give a node another number of frames; return a row of `AGE`."""
    with running(size, kind, hz, folder, NODE, *more) as (listener, _):
        listener.hear_for(seconds)
        ages, inference = listener.values('age_ms'), listener.values('inference_ms')
        received_hz = listener.received_hz()
    third, looks = len(ages) // 3, len(listener.memory_mb) // 3
    return [
        f'{size} {kind}' + (', depth 5' if more else ''),
        hz,
        received_hz,
        len(ages) / seconds,
        float(np.nanmedian(ages)),
        float(np.nanpercentile(ages, 99)),
        float(np.percentile(inference, 99) + 1e3 / hz),
        float(np.nanpercentile(ages[:third], 99)),
        float(np.nanpercentile(ages[-third:], 99)),
        float(np.median(listener.memory_mb[:looks])),
        float(np.median(listener.memory_mb[-looks:])),
    ]


def main() -> None:
    """Measure all kinds of frames and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--frames', type=int, default=300, help='of each kind: %(default)s')
    parser.add_argument('--hz', type=float, default=15.0, help='of the camera: %(default)s')
    parser.add_argument('--seconds', type=float, default=20.0, help='at each rate: %(default)s')
    add_options(parser, 'node_cost')
    args = parser.parse_args()
    os.environ.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', str(PROFILE))
    computer = machine()
    kinds = [(size, kind) for size in SIZES for kind in FORMATS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        costs, ages = [], []
        for size, kind in kinds:
            row, answered_hz = cost(size, kind, args.frames, args.hz, folder)
            costs.append(row)
            for hz in (args.hz, OVERLOAD * answered_hz):
                ages.append(age(size, kind, args.seconds, hz, folder))
            if kind == 'bgr8':
                ages.append(age(size, kind, args.seconds, hz, folder, *DEEP))
    report = Report(
        "The node's own cost",
        computer,
        [
            Table('Own cost, milliseconds', COST, costs),
            Table('Age of the answers, milliseconds, and memory of the node', AGE, ages),
        ],
        notes(args.hz, args.seconds),
    )
    report.deliver(args, 'node_cost')


def notes(hz: float, seconds: float) -> tuple[str, ...]:
    """Return what a reader must know."""
    return (
        'own: from the start of the image callback until ~/classification, ~/exit_layer and '
        '~/frame are published, less the time in ONNX Runtime; measured inside the node. waiting: '
        'until the inference thread has the frame. resizing: preprocess_ms of the engine. rest: '
        f'contrast, rate, messages and publishing. All p50. The camera sends {hz:g} frames a '
        'second.',
        'age: from the stamp that the camera process sets to the answer, transport between the '
        f'processes included; {seconds:g} s at {hz:g} Hz, and at {OVERLOAD} times the rate that '
        'the node can answer by the first table. allowed: p99 of the inference plus one period of '
        'the camera. received: frames that the node took, as it counts them. depth 5: with a queue '
        'that raw images do not have by default.',
        'The entropy code of a JPEG must be read in full, however small the decoded picture.',
        'decoding of h264: of its packet, in the thread for video, and of its picture to RGB.',
        'Pictures of the demo bag; 1920x1080 enlarged from them, with simulated sensor noise; JPEG '
        'at quality 90; H.264 by x264 veryfast, a key frame every 24 pictures.',
    )


if __name__ == '__main__':
    main()
