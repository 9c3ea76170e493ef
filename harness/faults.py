"""Everything that may go wrong between the camera and the speed limit, made to happen for real.

Each fault is a context manager: entering makes it happen, leaving mends it. `measure` brings the
chain to full speed, lets the fault happen, times the way to the floor and watches what follows.
"""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import rclpy
from nav2_msgs.msg import SpeedLimit
from std_msgs.msg import Float32, Float64

from harness.classifier_peer import WHITE
from harness.ros_process import SENSOR_DATA
from harness.speed_chain import FOREIGN, HELD, Kind, SpeedChain

STATED_S = 0.5
"""From any fault to the floor, on a machine that does not keep the processes waiting."""

TICK_S = 0.1  # between two limits, and between two rates of a silent camera

HOUR_S = 3600


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        name: For people.
        kind: The chain that it happens to.
        happens: Makes it happen, and mends it on leaving.
        is_promised: Whether the floor must come within `STATED_S`.
    """

    name: str
    kind: Kind
    happens: Callable[[SpeedChain], AbstractContextManager[None]]
    is_promised: bool = True


@dataclass(frozen=True)
class Outcome:
    """What became of it.

    Attributes:
        floor_s: From the fault to when the floor was sent.
        received_s: From the fault to when it was received.
        waited_s: How long the machine kept the chain's threads waiting meanwhile: the longest that
            it can have delayed the floor.
        before: Limits heard between the fault and the floor, percent.
        after: Limits heard from the floor on, while the fault lasted and then while hard frames
            came, percent.
    """

    floor_s: float
    received_s: float
    waited_s: float
    before: list[float]
    after: list[float]


def measure(chain: SpeedChain, fault: Fault) -> Outcome:
    """Let a fault happen at full speed; return with the chain mended."""
    chain.until_full()
    chain.wait(random.uniform(0.0, TICK_S))  # at any moment between two limits
    chain.easy()
    heard, waits_s, since_s = len(chain.limits), chain.waits_s(), time.monotonic()
    with fault.happens(chain):
        first = chain.until_floor(since_s)
        waited_s = sum(s - waits_s.get(thread, 0.0) for thread, s in chain.waits_s().items())
        chain.send = None
    chain.send = chain.hard
    chain.listen(HELD)
    before = [h.percent for h in chain.limits[heard:first] if h.at_s >= since_s]
    after = [h.percent for h in chain.limits[first:]]
    floor = chain.limits[first]
    return Outcome(floor.at_s - since_s, floor.received_s - since_s, waited_s, before, after)


@contextlib.contextmanager
def classifier_killed(chain: SpeedChain) -> Iterator[None]:
    chain.classifier.process.kill()
    chain.classifier.process.wait()
    yield
    chain.send = None
    chain.start_classifier()


@contextlib.contextmanager
def classifier_frozen(chain: SpeedChain) -> Iterator[None]:
    chain.classifier.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        chain.classifier.process.send_signal(signal.SIGCONT)
    # Easy frames came all the time and wait for it, but none of them is fresh.
    chain.listen(HELD)


@contextlib.contextmanager
def governor_frozen(chain: SpeedChain) -> Iterator[None]:
    """While it stands still the classifier dies, too: what waits for it is full speed."""
    chain.governor.process.send_signal(signal.SIGSTOP)
    try:
        chain.drain()
        chain.wait(2 * STATED_S)
        chain.classifier.process.kill()
    finally:
        heard = len(chain.limits)
        chain.governor.process.send_signal(signal.SIGCONT)
    yield
    # Stopped while it sends a limit, it first sends that.
    first = chain.limits[heard : heard + 2]
    assert any(limit.is_floor for limit in first), 'its first message is not the floor'
    chain.send = None
    chain.start_classifier()


@contextlib.contextmanager
def governor_killed(chain: SpeedChain) -> Iterator[None]:
    chain.send = None
    chain.governor.process.kill()
    chain.governor.process.wait()
    chain.drain()
    heard = len(chain.limits)
    chain.start_governor()
    yield
    assert chain.limits[heard].is_floor, 'its first message is not the floor'


@contextlib.contextmanager
def governor_ended(chain: SpeedChain) -> Iterator[None]:
    chain.send = None
    process = chain.governor.process
    process.send_signal(signal.SIGTERM)
    chain.peer.until(lambda: process.poll() is not None, 'the end of the governor')
    assert process.returncode == 0, chain.governor.output()
    chain.drain()
    assert chain.limits[-1].is_floor, 'its last message is not the floor'
    chain.start_governor()
    yield


@contextlib.contextmanager
def speaker_ended(chain: SpeedChain, number: signal.Signals) -> Iterator[None]:
    """Of a pair; the other has the word from then on, and this one comes back as its standby."""
    chain.send = None
    name, spoke = chain.hand_over()
    spoke.process.send_signal(number)
    spoke.wait()
    yield
    chain.start_governor(name)


@contextlib.contextmanager
def speaker_frozen(chain: SpeedChain) -> Iterator[None]:
    chain.listen(1)  # stopped while it sends a limit, it would send that when it goes on
    chain.send = None
    _, spoke = chain.hand_over()
    spoke.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        spoke.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def silence(chain: SpeedChain) -> Iterator[None]:
    chain.send = None
    yield


@contextlib.contextmanager
def silence_while_clock_jumps(chain: SpeedChain, seconds: int) -> Iterator[None]:
    chain.send = None
    chain.jump(seconds)
    yield


@contextlib.contextmanager
def silence_while_clock_stands(chain: SpeedChain) -> Iterator[None]:
    chain.send = None
    chain.stop_clock()
    yield
    chain.start_clock()


@contextlib.contextmanager
def broken(chain: SpeedChain, damage: Callable[[Any], None]) -> Iterator[None]:
    """Messages come that would mean full speed but for the damage."""

    def send() -> None:
        message = chain.message(WHITE, 1.0)
        damage(message)
        chain.source.publish(message)

    chain.send = send
    send()
    yield


def set_field(message: Any, name: str, value: Any) -> None:
    setattr(message, name, value)


def cut(message: Any) -> None:
    message.data = message.data[: len(message.data) // 2]


@contextlib.contextmanager
def source_of_wrong_quality(chain: SpeedChain) -> Iterator[None]:
    """A camera takes over which a reliable subscription does not hear."""
    chain.unplug()
    chain.plug_in(SENSOR_DATA)
    yield
    chain.unplug()
    chain.plug_in()


@contextlib.contextmanager
def source_of_wrong_type(chain: SpeedChain) -> Iterator[None]:
    chain.unplug()
    wrong = chain.peer.node.create_publisher(Float64, '/rate', 10)
    chain.send = lambda: wrong.publish(Float64(data=1.0))
    yield
    chain.peer.node.destroy_publisher(wrong)
    chain.plug_in()


@contextlib.contextmanager
def second_publisher(chain: SpeedChain, kind: Any, topic: str, message: Any) -> Iterator[None]:
    """Another node says something on a topic of ours, beside the one whose business it is."""
    other = rclpy.create_node('somebody_else', context=chain.peer.node.context)
    publisher = other.create_publisher(kind, topic, 10)
    send = chain.send
    assert send is not None

    def both() -> None:
        send()
        publisher.publish(message)

    chain.send = both
    try:
        yield
        chain.listen(HELD)  # the camera is silent by now, and the classifier's rate at the floor
    finally:
        other.destroy_node()


RATE_TOPIC = '/classifier/adaptive_rate'

CAMERA = Kind('camera')
CAMERAS = Kind('cameras', has_standby=True)
SIMULATION = Kind('simulation', has_standby=True)
RATE = Kind('rate', has_standby=True)

OF_ONE_CAMERA = [
    Fault('classifier killed (SIGKILL)', CAMERA, classifier_killed),
    Fault('classifier frozen (SIGSTOP), continued', CAMERA, classifier_frozen),
    Fault('camera stopped', CAMERA, silence),
    Fault(
        'images of an unknown encoding',
        CAMERA,
        partial(broken, damage=partial(set_field, name='encoding', value='rgb565')),
    ),
    Fault('truncated images', CAMERA, partial(broken, damage=cut)),
    Fault(
        'two publishers of the rate',
        CAMERA,
        partial(second_publisher, kind=Float32, topic=RATE_TOPIC, message=Float32(data=1.0)),
    ),
    Fault(
        'another publisher of the limit',
        CAMERA,
        partial(
            second_publisher,
            kind=SpeedLimit,
            topic='/speed_limit',
            message=SpeedLimit(percentage=True, speed_limit=FOREIGN),
        ),
    ),
]
OF_A_SIMULATION = [
    Fault('camera of the wrong QoS', SIMULATION, source_of_wrong_quality),
    Fault('camera and simulated clock stopped', SIMULATION, silence_while_clock_stands),
    Fault(
        'camera stopped, clock an hour ahead',
        SIMULATION,
        partial(silence_while_clock_jumps, seconds=HOUR_S),
    ),
    Fault(
        'camera stopped, clock an hour back',
        SIMULATION,
        partial(silence_while_clock_jumps, seconds=-HOUR_S),
    ),
    Fault('truncated JPEGs', SIMULATION, partial(broken, damage=cut)),
    Fault(
        'JPEGs that are none',
        SIMULATION,
        partial(broken, damage=partial(set_field, name='data', value=b'no JPEG at all')),
    ),
]
OF_THE_RATE = [
    *(
        Fault(
            f'adaptive rate {value}',
            RATE,
            partial(broken, damage=partial(set_field, name='data', value=value)),
        )
        for value in (float('nan'), 0.0, -0.5, 2.0)
    ),
    Fault('rate publisher silent', RATE, silence),
    Fault('rate publisher of another type', RATE, source_of_wrong_type),
]
OF_ONE_GOVERNOR = [
    Fault('governor frozen (SIGSTOP), continued', CAMERA, governor_frozen, is_promised=False),
    Fault('governor ended (SIGTERM), restarted', CAMERA, governor_ended),
    Fault('governor killed (SIGKILL), restarted', CAMERA, governor_killed, is_promised=False),
]
OF_A_PAIR = [
    Fault(
        'governor killed (SIGKILL), standby', CAMERAS, partial(speaker_ended, number=signal.SIGKILL)
    ),
    Fault(
        'governor ended (SIGTERM), standby', CAMERAS, partial(speaker_ended, number=signal.SIGTERM)
    ),
    Fault('governor frozen (SIGSTOP), standby', CAMERAS, speaker_frozen),
]
FAULTS = [
    *OF_ONE_CAMERA,
    *OF_ONE_GOVERNOR,
    *(replace(fault, name=f'{fault.name}, three cameras', kind=CAMERAS) for fault in OF_ONE_CAMERA),
    *OF_A_PAIR,
    *OF_A_SIMULATION,
    *OF_THE_RATE,
]
"""Those of one kind beside each other, so that they can share a chain."""
