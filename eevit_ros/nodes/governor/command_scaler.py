"""Velocity commands scaled by the speed limit, for robots that do not run Nav2."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import Twist, TwistStamped, Vector3
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Header

from eevit_ros.nodes.ros_topics import qos_profile
from eevit_ros.nodes.topic_watch import TopicWatch
from eevit_ros.parameters.topics import COMMAND, SCALED_COMMAND
from eevit_ros.perception.process_stall import ProcessStall

TYPES = {'twist': Twist, 'twist_stamped': TwistStamped}
SHORTEST_STALL_S = 0.5  # `tick` comes at least five times a second


def scaled(twist: Twist, share: float) -> Twist | None:
    """Return a command with all velocities times `share`, so that the path keeps its shape.

    Returns:
        The command; None if one of its velocities is not finite.
    """
    parts = (twist.linear, twist.angular)
    if not all(math.isfinite(value) for part in parts for value in (part.x, part.y, part.z)):
        return None
    linear, angular = (Vector3(x=p.x * share, y=p.y * share, z=p.z * share) for p in parts)
    return Twist(linear=linear, angular=angular)


class CommandScaler:
    """Scales commands from `cmd_vel_in` to `cmd_vel_out`; sends zero velocity when they stop.

    Before the first command it publishes nothing: something else may still drive the robot.

    Attributes:
        publisher: Publisher of `cmd_vel_out`.
    """

    def __init__(
        self,
        node: Node,
        kind: str,
        timeout_s: float,
        *,
        share: Callable[[], float],
        may_speak: Callable[[], bool],
    ) -> None:
        """Subscribe and create the publisher.

        Args:
            node: Node that subscribes; its executor calls back.
            kind: 'twist' or 'twist_stamped'.
            timeout_s: Seconds for which a command counts.
            share: Returns the share of full speed that is allowed now.
            may_speak: Returns whether commands may go out now: another governor may scale them.
        """
        self._node = node
        self._timeout_s = timeout_s
        self._share = share
        self._may_speak = may_speak
        self._last: Any = None  # Twist or TwistStamped
        self._last_s = 0.0
        self._sent_share = 0.0
        self._bad = 0
        self._is_bad = False  # the last command
        self._stall = ProcessStall(max(timeout_s, SHORTEST_STALL_S), time.monotonic())
        message_type = TYPES[kind]
        self.publisher: Publisher = node.create_publisher(
            message_type, SCALED_COMMAND.name, qos_profile(SCALED_COMMAND)
        )
        qos = qos_profile(COMMAND)
        node.create_subscription(message_type, COMMAND.name, self._on_command, qos)
        type_name = f'geometry_msgs/msg/{message_type.__name__}'
        topic = node.resolve_topic_name(COMMAND.name)
        self._watch = TopicWatch(node, topic, type_name, qos)

    def tick(self) -> None:
        """Slow down or stop where time demands it; to be called at least five times a second."""
        self._stall.update(time.monotonic())
        self.slow_down()
        if self._last is not None and self._is_over():
            self.stop()

    def slow_down(self) -> None:
        """Send the last command again if less of it is allowed now."""
        if self._last is not None and not self._is_over() and self._share() < self._sent_share:
            self._send()

    def stop(self) -> None:
        """Send zero velocity, if a command ever came."""
        if self._last is None:
            return
        if isinstance(self._last, TwistStamped):
            stamp = self._node.get_clock().now().to_msg()
            header = Header(stamp=stamp, frame_id=self._last.header.frame_id)
            self._publish(TwistStamped(header=header))
        else:
            self._publish(Twist())

    def problem(self) -> str:
        """Return what is wrong with the commands; '' for nothing."""
        bad = 'a velocity command is not finite: zero velocity was sent instead'
        return '; '.join(text for text in (self._watch.unheard(), bad * self._is_bad) if text)

    def values(self) -> dict[str, str]:
        """Return the values of /diagnostics on the commands."""
        state = 'none yet' if self._last is None else 'stopped' if self._is_over() else 'coming'
        return {'commands': state, 'bad_commands': str(self._bad)}

    def _on_command(self, message: Any) -> None:
        now_s = time.monotonic()
        if self._stall.update(now_s):
            return  # it may have waited for this process and be of any age
        self._last, self._last_s = message, now_s
        self._is_bad = not self._send()
        self._bad += self._is_bad

    def _send(self) -> bool:
        """Send the last command, scaled; return False if it was not finite and zero was sent."""
        stamped = isinstance(self._last, TwistStamped)
        self._sent_share = self._share()
        twist = scaled(self._last.twist if stamped else self._last, self._sent_share)
        out: Any = Twist() if twist is None else twist
        if stamped:
            out = TwistStamped(header=self._last.header, twist=out)
        self._publish(out)
        return twist is not None

    def _publish(self, message: Any) -> None:
        if self._may_speak():
            self.publisher.publish(message)
        else:
            self._sent_share = 1.0  # the other governor may have sent all of it

    def _is_over(self) -> bool:
        return time.monotonic() - self._last_s >= self._timeout_s
