"""What the governor publishes of the limit: for Nav2, for other robots, and as a plain share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from std_msgs.msg import Float32, Header

from eevit_ros.nodes.governor.command_scaler import CommandScaler
from eevit_ros.nodes.governor.floor_delivery import FloorDelivery
from eevit_ros.nodes.governor.inputs import NO_NAV2, SpeedLimitMessage
from eevit_ros.nodes.ros_topics import qos_profile
from eevit_ros.parameters import topics
from eevit_ros.parameters.governor import GovernorSettings
from eevit_ros.perception.status import ERROR, OK, WARN
from eevit_ros.speed.limit import FULL_PERCENT, Limit

FAREWELL_S = 0.5


class LimitOutputs:
    """The publishers of the limit.

    Attributes:
        command: Scaler of velocity commands; None with the parameter `command` at none.
    """

    command: CommandScaler | None = None

    def __init__(
        self,
        node: Node,
        settings: GovernorSettings,
        *,
        share: Callable[[], float],
        may_speak: Callable[[], bool],
    ) -> None:
        """Create the publishers.

        Args:
            node: Node that publishes.
            settings: Parameters of the node.
            share: Returns the share of full speed that is allowed now.
            may_speak: Returns whether commands may go out now, and not those of another governor.
        """
        self._node = node
        self._settings = settings
        self._scale = self._publisher(Float32, topics.SPEED_SCALE)
        self._control: list[Any] = []  # the publishers whose subscribers drive
        self._limit: Any = None
        if SpeedLimitMessage is not None:
            self._limit = self._publisher(SpeedLimitMessage, topics.SPEED_LIMIT)
            self._control.append(self._limit)
        if settings.command != 'none':
            self.command = CommandScaler(
                node,
                settings.command,
                settings.command_timeout_s,
                share=share,
                may_speak=may_speak,
            )
            self._control.append(self.command.publisher)
        self.start_over()

    def start_over(self) -> None:
        """Forget what the subscribers have received."""
        self._delivery = FloorDelivery(
            self._node,
            self._control,
            self._scale,
            controllers=self._settings.controllers,
            hold_s=self._settings.floor_hold_s,
        )

    def publish(self, limit: Limit) -> None:
        """Publish a limit."""
        share = limit.percent / FULL_PERCENT
        if self._limit is not None:
            message = SpeedLimitMessage(header=Header(stamp=self._node.get_clock().now().to_msg()))
            message.percentage = self._settings.unit == 'percentage'
            max_speed_mps = self._settings.limit.max_speed_mps
            message.speed_limit = limit.percent if message.percentage else share * max_speed_mps
            self._limit.publish(message)
        self._scale.publish(Float32(data=share))

    def floor_received(self) -> bool:
        """Return whether the floor was received; call this each time before it is published."""
        return self._delivery.is_done(time.monotonic())

    def say_farewell(self) -> None:
        """Send zero velocity; wait, a bounded time, until the last messages are received."""
        if self.command is not None:
            self.command.stop()
        self._delivery.wait(FAREWELL_S)

    def problems(self) -> list[tuple[int, str]]:
        """Return what is wrong with the outputs, with levels.

        A topic without subscribers is worth a warning only if no other output has any.
        """
        found = []
        if self.command is not None and (problem := self.command.problem()):
            found.append((ERROR, problem))
        if SpeedLimitMessage is None:
            found.append((WARN, NO_NAV2))
        alone = [one for one in self._control if not one.get_subscription_count()]
        level = OK
        if len(alone) == len(self._control) and not self._scale.get_subscription_count():
            alone.append(self._scale)
            level = WARN
        return [*found, *((level, f'no subscribers on {one.topic_name}') for one in alone)]

    def _publisher(self, message_type: Any, topic: topics.Topic) -> Any:
        return self._node.create_publisher(message_type, topic.name, qos_profile(topic))
