"""Camera, real classifier, real governor, and Nav2's ear: the way from an image to a speed limit.

with open_chain(Kind('camera'), tmp_path) as chain:
    chain.until_full()
    chain.classifier.process.kill()
    chain.until_floor(since_s=time.monotonic())

Kinds: 'camera' (raw images), 'cameras' (the same of one of three), 'simulation' (JPEGs, and a clock
that the test makes) and 'rate' (no classifier: the test itself says the rate). Easy and hard mean
the same in all of them. Each with one governor, or with that and its standby.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from nav2_msgs.msg import SpeedLimit
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32

from harness.classifier_peer import BLACK, WHITE, compressed_image, raw_image
from harness.governor_peer import FIRST, PAIR, SECOND, governor
from harness.ros_process import SENSOR_DATA, NodeProcess, RosPeer
from harness.tiny_model import write_tiny_model

FLOOR, FULL = 20.0, 100.0  # percent
HELD = 5  # limits in a row that must be at the floor to count
ROUNDING = 1e-4  # the adaptive rate is a float32
FOREIGN = 77.0  # percent; what somebody else says on the limit's topic
RELIABLE = QoSProfile(depth=5)
# As Nav2's controller server listens, but that it forgets nothing while the test is busy.
EAR = QoSProfile(depth=1000)
TELLS_TIMES = hasattr(Subscription, 'CallbackType')  # to the callback; not in Humble

OTHER_CAMERAS = ('front', 'left')  # see easy scenes, whatever the third does

# What the promises are about keeps its default; only the way back to full speed is made short.
FAST_RISE = ['-p', 'rate.release_per_s:=5.0']
FAST_RECOVERY = ['-p', 'recover_per_s:=5.0', '-p', 'controllers:=[test_peer]']
SIMULATED = ['-p', 'use_sim_time:=true']
# A camera of the wrong QoS can take over only where the right one is not what sensors use.
RELIABLE_CAMERA = ['-p', 'qos_overrides./image/compressed.subscription.reliability:=reliable']


class Kind(NamedTuple):
    """Of what a chain consists."""

    source: str
    has_standby: bool = False


@dataclass(frozen=True)
class Heard:
    """A speed limit, when the governor sent it, and when it was received (steady clock).

    A process that shares memory with one that was just killed or frozen, through Fast DDS, may hear
    nothing for 1 s: it waits for a lock which the other one holds. The test, which shares memory
    with the classifier, does, sometimes, so it judges the governor, which shares none, by what that
    sent, and not by its own ears.
    """

    at_s: float
    received_s: float
    percent: float

    @property
    def is_floor(self) -> bool:
        return self.percent <= FLOOR + ROUNDING


class SpeedChain:
    """A chain that lives, and what is heard at its end.

    Attributes:
        limits: All that was heard of the governor.
        send: What is sent at 20 Hz while the test waits for something; None: nothing.
        source: The test's publisher of images, or of the rate where there is no classifier.
        speaker: Name of the governor that speaks; of a pair asked anew at full speed, as the two
            may change places while the machine keeps them waiting.
    """

    def __init__(
        self, peer: RosPeer, folder: Path, kind: Kind, *, classifier: Sequence[str] | None
    ) -> None:
        """Start the processes; `classifier` has its arguments, None means that there is none."""
        self.peer, self.kind = peer, kind
        self.limits: list[Heard] = []
        self.send: Callable[[], None] | None = None
        self._folder, self._serial = folder, itertools.count()
        self._classifier_args = classifier
        self._processes = contextlib.ExitStack()
        self._simulated = time.time_ns() if kind.source == 'simulation' else None
        self._ticked_s = time.monotonic()
        if self._simulated is not None:
            self._clock = peer.node.create_publisher(Clock, '/clock', 10)
        on_limit: Any = self._on_limit if TELLS_TIMES else partial(self._on_limit, info={})
        peer.node.create_subscription(SpeedLimit, '/speed_limit', on_limit, EAR)
        self._others = [
            peer.node.create_publisher(Image, f'/{name}/image', SENSOR_DATA)
            for name in (OTHER_CAMERAS if kind.source == 'cameras' else ())
        ]
        self.plug_in()
        self._classifier = None if classifier is None else self.start_classifier()
        self.speaker = FIRST
        self._governors: dict[str, NodeProcess] = {}
        self.start_governor()
        if kind.has_standby:
            self._reports = peer.listen(DiagnosticArray, '/diagnostics')
            self.start_governor(SECOND)

    @property
    def classifier(self) -> NodeProcess:
        """The classifier's process, of a chain that has one."""
        assert self._classifier is not None
        return self._classifier

    @property
    def governor(self) -> NodeProcess:
        """The process that speaks."""
        return self._governors[self.speaker]

    def close(self) -> None:
        """End the processes."""
        self._processes.close()

    def start_classifier(self) -> NodeProcess:
        """Start it and wait until it listens."""
        assert self._classifier_args is not None
        self._classifier = classifier = self._processes.enter_context(
            NodeProcess(self.peer.domain_id, self._classifier_args, self._log('classifier'))
        )
        # Not `wait_for_output`: what is heard meanwhile must not get lost.
        self.peer.until(
            lambda: 'waiting for images' in classifier.output(),
            'the classifier',
            each=self._tick,
            node=classifier,
        )
        return self.classifier

    def start_governor(self, name: str = FIRST) -> None:
        """Start it; its first limit comes later."""
        topic = '/rate' if self._classifier_args is None else '/classifier/adaptive_rate'
        arguments = ['-r', f'adaptive_rate:={topic}', *FAST_RECOVERY]
        arguments += SIMULATED if self.kind.source == 'simulation' else []
        arguments += ['-r', f'__node:={name}', *PAIR] if self.kind.has_standby else []
        self._governors[name] = self._processes.enter_context(
            governor(self.peer, arguments, self._log('governor'))
        )

    def hand_over(self) -> tuple[str, NodeProcess]:
        """Expect the other of a pair to speak from now on; return who spoke, name and process."""
        name, process = self.speaker, self.governor
        self.speaker = SECOND if name == FIRST else FIRST
        return name, process

    def plug_in(self, qos: QoSProfile | None = None) -> None:
        """Create the test's publisher, by default with the QoS that fits."""
        kind, topic, fitting = {
            'camera': (Image, '/image', SENSOR_DATA),
            'cameras': (Image, '/rear/image', SENSOR_DATA),
            'simulation': (CompressedImage, '/image/compressed', RELIABLE),
            'rate': (Float32, '/rate', SENSOR_DATA),
        }[self.kind.source]
        self.source = self.peer.node.create_publisher(kind, topic, qos or fitting)

    def unplug(self) -> None:
        """Take the test's publisher away."""
        self.peer.node.destroy_publisher(self.source)

    def easy(self) -> None:
        """Send what full speed is for."""
        self.source.publish(self.message(WHITE, 1.0))

    def hard(self) -> None:
        """Send what the floor is for."""
        self.source.publish(self.message(BLACK, 0.2))

    def message(self, grey: int, rate: float) -> Any:
        """Return what this chain begins with: an image of this brightness, or this rate."""
        if self._classifier_args is None:
            return Float32(data=rate)
        if self.kind.source in ('camera', 'cameras'):
            return raw_image(grey)
        message = compressed_image(grey)
        message.header.stamp = self.clock_message().clock
        return message

    def jump(self, seconds: int) -> None:
        """Set the simulated clock."""
        assert self._simulated is not None
        self._simulated += seconds * 1_000_000_000

    def stop_clock(self) -> None:
        """Say no time any more."""
        self._ticked_s = float('inf')

    def start_clock(self) -> None:
        """Go on from where the clock stood."""
        self._ticked_s = time.monotonic()

    def clock_message(self) -> Clock:
        """Return the simulated time."""
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(self._simulated or 0, 1_000_000_000)
        return message

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait, see `RosPeer.until`; the camera and the clock go on meanwhile."""
        self.peer.until(condition, what, each=self._tick, node=self.governor)

    def until_full(self) -> None:
        """Send easy frames until full speed is allowed."""
        self.send = self.easy
        heard = len(self.limits)
        self.until(lambda: any(h.percent == FULL for h in self.limits[heard:]), 'full speed')
        if self.kind.has_standby:
            self._reports.clear()
            self.until(self._standby_names, 'a standby that hears who speaks')
            self.speaker = self._standby_names()

    def _standby_names(self) -> str:
        """Return who speaks, as the standby says; '' if it has said nothing."""
        said = (report.status[0].message for report in self._reports)
        found = (re.fullmatch(r'standby: /(\w+) speaks', message) for message in said)
        return next((match[1] for match in found if match), '')

    def until_floor(self, since_s: float) -> int:
        """Wait until the floor has held for `HELD` limits; return which of `limits` it began with.

        A floor that does not last is none: a busy machine may starve the camera before the fault.
        """
        first = next(
            (i for i, limit in enumerate(self.limits) if limit.at_s >= since_s), len(self.limits)
        )

        def held() -> bool:
            latest = self.limits[first:][-HELD:]
            return len(latest) == HELD and all(limit.is_floor for limit in latest)

        self.until(held, 'the floor')
        higher = (i for i in range(first, len(self.limits)) if not self.limits[i].is_floor)
        return max(higher, default=first - 1) + 1

    def listen(self, more: int) -> None:
        """Wait until this many further limits were heard."""
        enough = len(self.limits) + more
        self.until(lambda: len(self.limits) >= enough, f'{more} further limits')

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        until_s = time.monotonic() + seconds
        self.peer.until(lambda: time.monotonic() > until_s, 'a later time', each=self._tick)

    def drain(self) -> None:
        """Take what was under way until nothing comes any more; for when the governor is gone."""
        quiet_s, known = time.monotonic(), len(self.limits)

        def quiet() -> bool:
            nonlocal quiet_s, known
            if len(self.limits) > known:
                quiet_s, known = time.monotonic(), len(self.limits)
            return time.monotonic() - quiet_s > 0.2

        self.peer.until(quiet, 'silence', each=self._tick)

    def waits_s(self) -> dict[str, float]:
        """Return how long the machine has kept this chain waiting so far, by thread.

        That is what the kernel says each thread was ready to run and had no core, and what the host
        of a virtual machine says it took. Of processes that live, where the kernel tells.
        """
        processes = [p for p in (self._classifier, *self._governors.values()) if p is not None]
        pids = [os.getpid(), *(p.process.pid for p in processes)]
        waits = {'host': int(Path('/proc/stat').read_text().split()[8]) / os.sysconf('SC_CLK_TCK')}
        for file in itertools.chain(*(Path(f'/proc/{p}/task').glob('*/schedstat') for p in pids)):
            with contextlib.suppress(OSError):  # this thread has just ended
                waits[file.parent.name] = int(file.read_text().split()[1]) * 1e-9
        return waits

    def _log(self, node: str) -> Path:
        return self._folder / f'{node}_{next(self._serial)}.log'

    def _tick(self) -> None:
        now_s = time.monotonic()
        if self._simulated is not None and now_s > self._ticked_s:
            self._simulated += round((now_s - self._ticked_s) * 1e9)
            self._ticked_s = now_s
            self._clock.publish(self.clock_message())
        if self.send is not None:
            self.send()
        for other in self._others:
            other.publish(raw_image(WHITE))

    def _on_limit(self, message: SpeedLimit, info: Any) -> None:
        assert message.percentage
        if message.speed_limit != FOREIGN:
            now_s, behind_s = time.monotonic(), time.time() - time.monotonic()
            sent_s, received_s = (
                info[f'{what}_timestamp'] * 1e-9 - behind_s if info else now_s
                for what in ('source', 'received')
            )
            self.limits.append(Heard(sent_s, received_s, message.speed_limit))


@contextlib.contextmanager
def open_chain(kind: Kind, folder: Path) -> Iterator[SpeedChain]:
    """Start a chain of this kind, its logs in `folder`, and end it on leaving."""
    model = ['-p', f'model:={write_tiny_model(folder / "tiny.onnx")}', *FAST_RISE]
    arguments = {
        'camera': model,
        'cameras': [*model, '-p', f'cameras:=[{",".join(OTHER_CAMERAS)},rear]'],
        'simulation': [*model, *SIMULATED, *RELIABLE_CAMERA, '-p', 'image_transport:=compressed'],
        'rate': None,
    }
    with RosPeer() as peer:
        chain = SpeedChain(peer, folder, kind, classifier=arguments[kind.source])
        try:
            yield chain
        finally:
            chain.close()
