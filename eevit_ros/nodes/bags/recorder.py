"""The node `bag_recorder`: writes the topics of classifier and governor into an mcap bag.

For replays without rosbag2: its subscriptions are reliable where the publishers are, so the bag
misses nothing. On a robot use rosbag2 (docs/recording.md). Log time is the node's clock at receipt,
with use_sim_time the recorded time.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from eevit_ros.errors import EevitError
from eevit_ros.nodes import process as node_process
from eevit_ros.nodes.declare import read_settings
from eevit_ros.nodes.process import EXIT_NOT_CONFIGURED, SPIN_S
from eevit_ros.nodes.ros_topics import message_class, resolved
from eevit_ros.parameters.bags import DEFAULT_TOPICS, RecorderSettings
from eevit_ros.parameters.topics import RECORDED, of_cameras

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

    from eevit_ros.recordings.bag.writer import RawBag

EXIT_FAILED = 1
POLL_S = 0.1
DRAIN_S = 0.3  # at the end, for messages still on their way
DEPTH = 1000


class BagRecorder(Node):
    """Subscribes to each topic once it has a publisher, with that publisher's QoS.

    With use_sim_time it waits for /clock first, as rosbag2's recorder does.

    Attributes:
        output: Folder of the bag.
        failures: What could not be recorded, for people.
    """

    def __init__(self) -> None:
        """Read the parameters.

        Raises:
            EevitError: A parameter is wrong; names it.
        """
        super().__init__('bag_recorder')
        settings = read_settings(self, RecorderSettings)
        self.output = Path(settings.output).expanduser()
        names = settings.topics
        if names == tuple(DEFAULT_TOPICS):
            recorded = of_cameras(settings.cameras, RECORDED)
            names = tuple(topic.relative_name for topic in recorded)
        self._topics = resolved(self, 'topics', names)
        self._unsubscribed = set(self._topics)
        self.failures: list[str] = []

    def start(self, bag: RawBag) -> None:
        """Record into `bag` while the node spins."""
        self._bag = bag
        self.create_timer(
            POLL_S, self._subscribe_to_new, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self.get_logger().info(f'recording into {self.output}')

    def log_result(self) -> None:
        """Log what was recorded, and add to `failures` if that is nothing."""
        counts = self._bag.counts
        if not self._has_time():
            self.failures.append(
                'nothing was recorded: use_sim_time is set, and no time came on /clock'
            )
        elif not any(counts.values()):
            self.failures.append(f'nothing was recorded: no messages on {", ".join(self._topics)}')
        else:
            silent = [topic for topic in self._topics if not counts.get(topic)]
            if silent:
                self.get_logger().warning(f'no messages on {", ".join(silent)}')
            each = ', '.join(
                f'{counts[topic]} on {topic}' for topic in self._topics if counts.get(topic)
            )
            self.get_logger().info(f'{sum(counts.values())} messages in {self.output}: {each}')

    def _has_time(self) -> bool:
        """Return whether the clock runs; with use_sim_time not before /clock."""
        return bool(self.get_clock().now().nanoseconds)

    def _subscribe_to_new(self) -> None:
        if not self._has_time():
            return  # a player that waits for this subscriber thus knows that its clock arrives
        for topic in sorted(self._unsubscribed):
            if publishers := self.get_publishers_info_by_topic(topic):
                self._unsubscribed.remove(topic)
                try:
                    self._subscribe(topic, publishers)
                except EevitError as err:
                    self.get_logger().error(str(err))
                    self.failures.append(str(err))

    def _subscribe(self, topic: str, publishers: list[Any]) -> None:
        kind = publishers[0].topic_type
        reliable = _all(publishers, 'reliability', ReliabilityPolicy.RELIABLE)
        latched = reliable and _all(publishers, 'durability', DurabilityPolicy.TRANSIENT_LOCAL)
        qos = QoSProfile(
            depth=DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        message_type = _message_type(topic, kind)
        connection = self._bag.add(topic, kind, latched=latched)
        self.create_subscription(
            message_type, topic, partial(self._write, connection), qos, raw=True
        )

    def _write(self, connection: Connection, raw: bytes) -> None:
        self._bag.write(connection, self.get_clock().now().nanoseconds, raw)


def _all(publishers: list[Any], policy: str, value: Any) -> bool:
    return all(getattr(info.qos_profile, policy) == value for info in publishers)


def _message_type(topic: str, kind: str) -> Any:
    try:
        return message_class(kind)
    except (ImportError, AttributeError) as err:
        raise EevitError(
            f'{topic} cannot be recorded: its type {kind} is not installed ({err})'
        ) from err


def main(args: list[str] | None = None) -> int:
    """Record until SIGINT or SIGTERM.

    Returns:
        The exit code: 0, 1 if something could not be recorded, 2 if a parameter is wrong.
    """
    return node_process.run('bag_recorder', _run, args)


def _run(stop: threading.Event) -> int:
    log = get_logger('bag_recorder')
    try:
        from eevit_ros.recordings.bag.writer import RawBag
    except ImportError as err:
        log.fatal(
            f'{err}: recording needs more or newer packages; install them: pip install '
            "'rosbags>=0.11.6'"
        )
        return EXIT_FAILED
    try:
        node = BagRecorder()
        bag = RawBag(node.output)
    except EevitError as err:
        log.fatal(str(err))
        return EXIT_NOT_CONFIGURED
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        with contextlib.closing(bag):
            node.start(bag)
            _spin(executor, stop)
        node.log_result()
    except OSError as err:
        node.failures.append(f'{node.output} cannot be written: {err}')
    finally:
        executor.shutdown()
        node.destroy_node()
    for failure in node.failures:
        log.fatal(failure)
    return EXIT_FAILED if node.failures else 0


def _spin(executor: SingleThreadedExecutor, stop: threading.Event) -> None:
    while not stop.is_set():
        executor.spin_once(timeout_sec=SPIN_S)
    until_s = time.monotonic() + DRAIN_S
    while (left_s := until_s - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left_s)


if __name__ == '__main__':
    sys.exit(main())
