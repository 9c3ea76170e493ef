"""Both nodes for an hour with a camera twice as fast as they are, and everything else changing.

    python -m benchmarks.soak [--minutes 60] [--json build/benchmarks/soak.json] [--document]

Images of two sizes and several encodings in random order, a truncated one among them; parameters,
subscribers and lifecycle states change all the time. Ends with 1 where a promise was broken, or
where the camera was not fast enough to try it.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from harness.paths import ROOT

os.environ['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(ROOT / 'config' / 'fastdds_shared_memory.xml')

from diagnostic_msgs.msg import DiagnosticArray
from nav2_msgs.msg import SpeedLimit
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32

from benchmarks.report_file import Cell, Report, Table, machine
from benchmarks.soak_verdict import GROWS, count_verdict, quantile, slope_of
from demo.bag import SHIPPED_BAG, read_bag
from harness.classifier_peer import ClassifierPeer, key_values, stamp_now
from harness.governor_peer import governor
from harness.ros_process import NodeProcess, RosPeer

SIZES = ((480, 640), (1080, 1920))
ENCODINGS = {'rgb8': 3, 'bgr8': 3, 'mono8': 1, 'bgra8': 4, 'uyvy': 2}  # channels
CYCLE_S = 8.0  # between two changes of the lifecycle
OVERLOAD = 1.9  # times what can be sustained: less did not try what it says
REPEATED_S = 0.3  # the governor's stale_after_s: no gap between two rates may be longer
OLDEST_MS = 1000.0  # a queue would be that late within two seconds of twice the rate
MB_PER_HOUR = 10.0  # what resident memory may grow by and still be called flat
FLOOR = 0.2
TRIED_HZ = (30.0, 45.0, 60.0, 80.0, 100.0, 130.0)  # for the rate that can be sustained


@dataclass
class Heard:
    """What came out of a node, judged by when it was sent.

    Attributes:
        gaps_s: Between one message and the next, while it should repeat itself.
        wrong: Values that must never be.
    """

    gaps_s: list[float] = field(default_factory=list)
    wrong: list[float] = field(default_factory=list)
    count: int = 0
    _last_ns: int | None = None

    def take(self, value: float, sent_ns: int, low: float, high: float) -> None:
        """Take a message."""
        if self._last_ns is not None:
            self.gaps_s.append((sent_ns - self._last_ns) * 1e-9)
        self._last_ns = sent_ns
        self.count += 1
        if not low - 1e-3 <= value <= high + 1e-3:  # not a number, too
            self.wrong.append(value)

    def pause(self) -> None:
        """Take note that it may be silent until its next message."""
        self._last_ns = None


@dataclass
class Samples:
    """Of one process: once a cycle, always at the same point of it."""

    hours: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    shared: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def take(self, hours: float, readings: list[tuple[float, float, int, int]]) -> None:
        """Take the median of readings."""
        memory, shared, threads, files = zip(*readings, strict=True)
        self.hours.append(hours)
        self.megabytes.append(statistics.median(memory))
        self.shared.append(statistics.median(shared))
        self.threads.append(statistics.median_low(threads))
        self.files.append(statistics.median_low(files))


def read_process(pid: int) -> tuple[float, float, int, int]:
    """Return own and shared resident megabytes, threads and open files of a process."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    status = dict(line.split(':', 1) for line in lines)
    files = len(os.listdir(f'/proc/{pid}/fd'))
    memory = {name: int(status[name].split()[0]) / 1024 for name in ('VmRSS', 'RssShmem')}
    own = memory['VmRSS'] - memory['RssShmem']
    return own, memory['RssShmem'], int(status['Threads']), files


def camera_images() -> list[Image]:
    """Return pictures of the demo's bag in all sizes and encodings, and a truncated one."""
    frames = read_bag(SHIPPED_BAG)
    pictures = [
        cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
        for frame in frames[:: len(frames) // 3][:3]
    ]
    images = []
    for picture in pictures:
        for height, width in SIZES:
            scaled = cv2.resize(picture, (width, height))
            for encoding, channels in ENCODINGS.items():
                pixels = np.resize(scaled, (height, width, channels))
                if channels == 3:
                    pixels = scaled if encoding == 'bgr8' else scaled[..., ::-1]
                images.append(_image(encoding, np.ascontiguousarray(pixels)))
    damaged = _image('bgr8', pictures[0])
    damaged.data = damaged.data[: len(damaged.data) // 2]
    return [*images, damaged]


def _image(encoding: str, pixels: np.ndarray) -> Image:
    height, width, channels = pixels.shape
    image = Image(height=height, width=width, encoding=encoding, step=width * channels)
    image.data.frombytes(pixels.tobytes())
    return image


@contextmanager
def camera(publisher: Any, images: list[Image], hz: float) -> Iterator[list[int]]:
    """Publish from a thread of its own, at a rate, in random order; yield the count of images."""
    stop, rng, sent = threading.Event(), random.Random(1), [0]

    def run() -> None:
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            publisher.publish(stamp_now(rng.choice(images)))
            sent[0] += 1
            due = max(due + 1 / hz, time.monotonic())  # late ones are left out

    thread = threading.Thread(target=run, name='camera')
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


class Soak:
    """The nodes, the ears and the figures."""

    def __init__(self, peer: RosPeer, folder: Path) -> None:
        """Start both nodes."""
        self.peer = peer
        model = ROOT / 'models' / 'eevit_s14_cifar100.onnx'
        classifier = NodeProcess(
            peer.domain_id,
            ['-r', 'image:=/camera/image_raw', '-p', f'model:={model}'],
            folder / 'classifier.log',
        )
        rates = ['-r', 'adaptive_rate:=/classifier/adaptive_rate']
        self.processes = {
            'classifier': classifier,
            'governor': governor(peer, rates, folder / 'governor.log'),
        }
        self.samples = {name: Samples() for name in self.processes}
        self.node = ClassifierPeer(peer, classifier)
        self.rates, self.limits = Heard(), Heard()
        self.ages_ms: list[float] = []
        self.answers = self.cycles = 0
        listen = peer.node.create_subscription
        listen(Float32, '/classifier/adaptive_rate', self._on_rate, 1000)
        listen(SpeedLimit, '/speed_limit', self._on_limit, 1000)
        listen(DiagnosticArray, '/classifier/frame', self._on_frame, 1000)

    def close(self) -> None:
        """Kill what still runs."""
        for process in self.processes.values():
            process.__exit__()

    def wait(self, seconds: float) -> None:
        """Listen for a time."""
        end = time.monotonic() + seconds
        self.node.until(lambda: time.monotonic() >= end, 'the end of a wait')
        self.node.forget()

    def cycle(self, began_s: float, rng: random.Random) -> None:
        """Change all that can change; then take a sample; then go through lifecycle states."""
        refused = self.node.set_parameters(
            thresholds=[rng.choice((0.5, 0.8, 0.95, 1.0))],
            rate__attack_s=rng.choice((0.0, 0.15)),
            rate__easy_frames=rng.randint(1, 5),
        )
        assert not refused, refused
        with self.peer.listening(CompressedImage, '/classifier/annotated/compressed', 1) as drawn:
            self.wait(CYCLE_S / 2)
            drawn.clear()
        readings: dict[str, list[tuple[float, float, int, int]]] = {
            name: [] for name in self.processes
        }
        for _ in range(4):
            self.wait(CYCLE_S / 8)
            for name, process in self.processes.items():
                readings[name].append(read_process(process.process.pid))
        for name, samples in self.samples.items():
            samples.take((time.monotonic() - began_s) / 3600, readings[name])
        self.cycles += 1
        states = ['deactivate', 'activate']
        if self.cycles % 3 == 0:
            states[1:1] = ['cleanup', 'configure']
        self._go_through(states)

    def _go_through(self, states: list[str]) -> None:
        for state in states:
            assert self.node.change_state(state), self.node.process.output()
            self.rates.pause()
        self.node.forget()

    def _on_rate(self, message: Float32, info: Any) -> None:
        self.rates.take(message.data, info['source_timestamp'], FLOOR, 1.0)

    def _on_limit(self, message: SpeedLimit, info: Any) -> None:
        self.limits.take(message.speed_limit, info['source_timestamp'], 100 * FLOOR, 100.0)

    def _on_frame(self, message: DiagnosticArray) -> None:
        self.answers += 1
        age = key_values(message).get('age_ms', '')
        self.ages_ms.append(float(age) if age else math.nan)


def sustainable_hz(soak: Soak, images: list[Image]) -> float:
    """Return the most answers a second that any rate of the camera brings, Hz."""
    soak.processes['classifier'].wait_for_output('waiting for images')
    most = 0.0
    for hz in TRIED_HZ:
        with camera(soak.node.camera, images, hz):
            soak.wait(2.0)
            soak.answers, began = 0, time.monotonic()
            soak.wait(5.0)
            most = max(most, soak.answers / (time.monotonic() - began))
    if not 0 < most < 0.95 * TRIED_HZ[-1]:
        raise SystemExit(
            f'{most:.0f} answers a second, of at most {TRIED_HZ[-1]:.0f} images: either nothing '
            f'was answered, or TRIED_HZ must be raised for this computer.\n'
            f'{soak.processes["classifier"].output()[-2000:]}'
        )
    return most


def overload(soak: Soak, images: list[Image], hz: float, seconds: float) -> float:
    """Keep a rate up while everything else changes; return the rate that came about, Hz."""
    soak.ages_ms.clear()
    soak.answers = 0
    soak.rates, soak.limits = Heard(), Heard()
    rng, began = random.Random(2), time.monotonic()
    with camera(soak.node.camera, images, hz) as sent:
        while time.monotonic() < began + seconds:
            soak.cycle(began, rng)
        return sent[0] / (time.monotonic() - began)


def judge(soak: Soak, ended: dict[str, int]) -> tuple[list[list[Cell]], bool]:
    """Return a row a promise, and whether none is broken."""
    rows: list[list[Cell]] = []
    for name, samples in soak.samples.items():
        skip = len(samples.hours) // 5  # buffers fill, the allocator finds its size
        slope = slope_of(samples.hours[skip:], samples.megabytes[skip:])
        found = f'{slope.value:+.1f} ({slope.low:+.1f} to {slope.high:+.1f})'
        what = f'{name}: own resident memory, MB/h (bounds of 95 %)'
        rows.append([what, found, f'<= {MB_PER_HOUR:g}', slope.verdict(MB_PER_HOUR)])
        for kind, counts in (('threads', samples.threads), ('open files', samples.files)):
            found = f'{counts[0]} to {counts[-1]}' if counts else ''
            rows.append([f'{name}: {kind}', found, 'no growth', count_verdict(counts)])
    for what, heard in (('adaptive rate', soak.rates), ('speed limit', soak.limits)):
        longest = max(heard.gaps_s, default=math.inf)
        late = sum(gap > REPEATED_S for gap in heard.gaps_s)
        rows.append(
            [f'{what}: longest gap, s', round(longest, 3), f'<= {REPEATED_S:g}', _held(not late)]
        )
        rows.append([f'{what}: values out of range', len(heard.wrong), '0', _held(not heard.wrong)])
    ages = [age for age in soak.ages_ms if not math.isnan(age)]
    oldest = max(ages, default=math.inf)
    rows.append(
        [
            'age of an answer, most, ms',
            round(oldest),
            f'<= {OLDEST_MS:g}',
            _held(oldest <= OLDEST_MS),
        ]
    )
    for name, process in soak.processes.items():
        sound = ended[name] == 0 and 'Traceback' not in process.output()
        rows.append([f'{name}: exit code at the end', ended[name], '0', _held(sound)])
    return rows, not any(row[3] in (GROWS, 'broken') for row in rows)


def _held(holds: bool) -> str:
    return 'held' if holds else 'broken'


def main() -> int:
    """Run, print the tables, write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=60.0)
    parser.add_argument('--json', type=Path, default=Path('build/benchmarks/soak.json'))
    parser.add_argument('--document', action='store_true', help='fill docs/soak.md, too')
    args = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory() as folder, RosPeer() as peer:
        run = Soak(peer, Path(folder))
        try:
            images = camera_images()
            most_hz = sustainable_hz(run, images)
            hz = overload(run, images, 2 * most_hz, args.minutes * 60)
            ended = {name: process.stop() for name, process in run.processes.items()}
            rows, sound = judge(run, ended)
        finally:
            run.close()
    sound = sound and hz >= OVERLOAD * most_hz
    ages = [age for age in run.ages_ms if not math.isnan(age)]
    facts: list[list[Cell]] = [
        ['sustainable, answers per second', most_hz],
        ['camera, images per second', hz],
        ['camera, times the sustainable rate', hz / most_hz],
        ['answers', run.answers],
        ['cycles of the lifecycle', run.cycles],
        ['age of an answer, median, ms', quantile(ages, 0.5)],
        ['age of an answer, p99, ms', quantile(ages, 0.99)],
        *(
            [f'{name}: {what}, first and last, MB', f'{values[0]:.1f}, {values[-1]:.1f}']
            for name, samples in run.samples.items()
            for what, values in (
                ('own memory', samples.megabytes),
                ("shared memory of Fast DDS's segments", samples.shared),
            )
        ),
    ]
    report = Report(
        f'Soak of {args.minutes:g} minutes',
        before,
        [
            Table('Promises', ('what', 'found', 'promised', 'verdict'), rows),
            Table('What was run', ('what', 'figure'), facts),
        ],
    )
    print(report.write(args.json))
    if args.document:
        report.fill(ROOT / 'docs' / 'soak.md', 'soak')
    return 0 if sound else 1


if __name__ == '__main__':
    sys.exit(main())
