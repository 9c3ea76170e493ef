"""The other governor of a pair: who of the two speaks, told by beats on a topic of each."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence

from rclpy.clock import Clock
from rclpy.node import Node
from std_msgs.msg import Float32MultiArray

from eevit_ros.errors import EevitError
from eevit_ros.nodes.governor.turn import LOOK_S, Turn
from eevit_ros.nodes.ros_topics import qos_profile, resolved
from eevit_ros.parameters.governor import GovernorSettings
from eevit_ros.parameters.topics import HEARTBEAT
from eevit_ros.speed.lowest_limit import LowestLimit


def partner_name(node: Node, pair: Sequence[str]) -> str:
    """Return the full name of the other node of a pair; '' without a pair.

    Raises:
        EevitError: The node is not of the pair, or the other's name cannot be one.
    """
    if not pair:
        return ''
    own = node.get_name()
    if own not in pair:
        raise EevitError(f"parameter 'pair' must name this node, {own!r}. Got {list(pair)!r}")
    (name,) = resolved(node, 'pair', [name for name in pair if name != own])
    return name


class Partner:
    """Sends beats, hears the other's, and tells when the word was taken or given up.

    Attributes:
        name: Full name of the other's node.
        turn: Decides.
        differs: Whether it said at its last beat that it has other parameters.
    """

    differs = False

    def __init__(
        self,
        node: Node,
        name: str,
        turn: Turn,
        limit: LowestLimit,
        settings: GovernorSettings,
        *,
        clock: Clock,
        on_turn: Callable[[bool], None],
    ) -> None:
        """Begin to listen.

        Args:
            node: Node that publishes and subscribes; its executor calls back.
            name: Full name of the other's node.
            turn: What decides.
            limit: Limit whose zones both shall know.
            settings: Which both shall have.
            clock: Steady clock of the looks.
            on_turn: Called when it was decided anew, with whether the floor must be said now.
        """
        self.name = name
        self.turn = turn
        self._limit = limit
        self._mark = _mark(settings)
        self._on_turn = on_turn
        qos = qos_profile(HEARTBEAT)
        self._beats = node.create_publisher(Float32MultiArray, HEARTBEAT.name, qos)
        topic = HEARTBEAT.name.replace('~', name)
        node.create_subscription(Float32MultiArray, topic, self._on_beat, qos)
        node.create_timer(LOOK_S, self._look, clock=clock)

    def values(self) -> dict[str, str]:
        """Return the values of /diagnostics on the pair."""
        there = 'there' if self.turn.is_other_there() else 'not there'
        return {'speaks': str(self.turn.speaks).lower(), 'partner': f'{self.name}, {there}'}

    def _on_beat(self, message: Float32MultiArray) -> None:
        if len(message.data) < 2:
            return  # of somebody else
        speaks, mark, *zones = message.data
        self.turn.hear(bool(speaks), time.monotonic())
        self.differs = mark != self._mark
        fits = len(zones) == len(self._limit.zones)
        if fits:
            self._limit.learn_zones(zones)
        text = f"{self.name} has other 'limit_sources': give both the same parameters"
        self._limit.set_problem('pair', '' if fits else text)

    def _look(self) -> None:
        spoke = self.turn.speaks
        say_floor = self.turn.look(time.monotonic())
        if self.turn.speaks != spoke:
            self._on_turn(say_floor)
        self._beats.publish(
            Float32MultiArray(
                data=[float(self.turn.speaks), self._mark, *self._limit.known_zones()]
            )
        )


def _mark(settings: GovernorSettings) -> float:
    """Return a number that other parameters would hardly have, exact in a float32."""
    return float(zlib.crc32(repr(settings).encode()) % 2**24)
