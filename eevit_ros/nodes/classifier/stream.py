"""The decoding of a camera's video, in a thread of its own: no packet may be left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from queue import Queue

from eevit_ros.errors import EevitError
from eevit_ros.images.stream import StreamDecoder
from eevit_ros.images.video import first_plane
from eevit_ros.nodes.classifier.frame import Frame
from eevit_ros.perception.camera_health import CameraHealth

MOST_WAITING = 60  # packets, two seconds of most cameras

_TOO_SLOW = (
    f'decoding does not keep up, {MOST_WAITING} packets were left out: let the camera send fewer '
    f'or smaller pictures'
)


class Backlog(Queue[tuple[Frame, str] | None]):
    """Packets that wait, each with its codec; when there are too many, all are left out.

    Attributes:
        left_out: How many were.
    """

    left_out = 0

    def _put(self, item: tuple[Frame, str] | None) -> None:  # of `Queue`, called under its lock
        if item is None or len(self.queue) >= MOST_WAITING:
            self.left_out += len(self.queue)
            self.queue.clear()
        self.queue.append(item)


class Stream:
    """Decodes every packet and shows each whole picture.

    In a thread of its own, the newest picture is ready when the network is free.
    """

    def __init__(self, health: CameraHealth, show: Callable[[Frame], object]) -> None:
        """Start.

        Args:
            health: Gets to see the pictures, and which packets gave none.
            show: Takes a picture, or a packet that is in error.
        """
        self._health = health
        self._show = show
        self._packets = Backlog()
        self._decoder: StreamDecoder[Frame] = StreamDecoder()
        self._thread = threading.Thread(target=self._work, name='video')
        self._thread.start()

    def put(self, frame: Frame, codec: str) -> None:
        """Take the next packet; `codec` is 'h264' or 'hevc'."""
        self._packets.put((frame, codec))

    def close(self) -> None:
        """Show nothing more."""
        self._packets.put(None)
        self._thread.join()

    def _work(self) -> None:
        left_out = 0
        while (item := self._packets.get()) is not None:
            if self._packets.left_out > left_out:
                left_out = self._packets.left_out
                self._decoder.lose(_TOO_SLOW)
            try:
                self._decode(*item)
            except EevitError as err:
                self._show(replace(item[0], error=str(err)))
            except Exception as err:  # whatever one packet does, the next may be good
                self._show(replace(item[0], error=f'{type(err).__name__}: {err}'))
            self._health.withheld = self._decoder.withheld + left_out
            self._health.withheld_why = self._decoder.why

    def _decode(self, frame: Frame, codec: str) -> None:
        packet = frame.message.data.tobytes()
        for of, picture in self._decoder.decode(packet, codec, frame):
            self._health.picture(of.stamp_ns, first_plane(picture), time.monotonic())
            frozen, useless = self._health.frozen, bool(self._health.stamps.fault)
            self._show(replace(of, picture=picture, frozen=frozen, useless_stamps=useless))
