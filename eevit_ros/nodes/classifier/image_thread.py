"""The thread that takes the images of one subscription, beside the executor.

For every callback rclpy's executor builds twice what it waits for, anew, of all that the node has:
services, timers, the events of each publisher. That costs more than most images do, and makes them
wait for timers and services. This thread waits for one subscription, as `rclpy.wait_for_message`
does.
"""

from __future__ import annotations

import threading
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.subscription import Subscription

FOR_EVER_NS = -1


class EventsOnly(ReentrantCallbackGroup):
    """Leaves a subscription's events to the executor, and its messages to an `ImageThread`."""

    def can_execute(self, entity: Any) -> bool:
        """Tell the executor whether it may wait for this."""
        return not isinstance(entity, Subscription)


class ImageThread:
    """Calls a subscription's callback with each message, in a thread of its own.

    Attributes:
        error: What the callback raised, which ended the thread; None as long as it runs.
    """

    def __init__(self, subscription: Subscription, context: Any) -> None:
        """Start; the subscription's callback group is an `EventsOnly`."""
        self.error: Exception | None = None
        self._subscription = subscription
        self._context = context
        self._closed = False
        self._wake = GuardCondition(None, None, context)
        self._thread = threading.Thread(target=self._run, name='images')
        self._thread.start()

    def close(self) -> None:
        """Call back no more; the subscription may be destroyed then."""
        self._closed = True
        self._wake.trigger()
        self._thread.join()
        self._wake.destroy()

    def _run(self) -> None:
        try:
            self._take_all()
        except Exception as err:  # a mistake in the callback
            self.error = err

    def _take_all(self) -> None:
        subscription, handle = self._subscription, self._subscription.handle
        wait_set = rclpy_implementation.WaitSet(1, 1, 0, 0, 0, 0, self._context.handle)
        while True:
            wait_set.clear_entities()
            wait_set.add_subscription(handle)
            wait_set.add_guard_condition(self._wake.handle)
            wait_set.wait(FOR_EVER_NS)
            if self._closed:
                return
            # None where the middleware woke for less than a whole message.
            if taken := handle.take_message(subscription.msg_type, False):
                subscription.callback(taken[0])
                del taken  # or it would stay in memory until the next one
