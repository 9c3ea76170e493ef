"""The classifier node, with a stop watch at its callback, its decoder and its publishers.

    python -m benchmarks.timed_node OUT.json --ros-args ...

Runs as the node does until SIGINT, then writes a row for every answered frame, milliseconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from eevit_ros.images.decoder import Decoder
from eevit_ros.images.resize import Image, InputSize
from eevit_ros.images.stream import StreamDecoder
from eevit_ros.nodes.classifier import camera, channel, publishers, stream
from eevit_ros.nodes.classifier import node as classifier_node
from eevit_ros.nodes.classifier.frame import Frame

ROWS: list[dict[str, float]] = []
CAME: dict[int, float] = {}  # by stamp; seconds
PACKETS: dict[int, float] = {}  # by stamp; seconds that a packet of video took
TAKEN: list[tuple[float, float]] = []  # when the frame at hand was taken, and decoded


class TimedCamera(camera.Camera):
    """Notes when a frame's callback began."""

    def _on_image(self, message: Any) -> None:
        stamp = message.header.stamp
        CAME[stamp.sec * 1_000_000_000 + stamp.nanosec] = time.perf_counter()
        super()._on_image(message)


class TimedDecoder(StreamDecoder[Frame]):
    """Notes how long a packet of video takes."""

    def decode(self, packet: bytes, codec: str, about: Frame) -> list[tuple[Frame, Any]]:
        """See `StreamDecoder`."""
        began = time.perf_counter()
        pictures = super().decode(packet, codec, about)
        PACKETS[about.stamp_ns] = time.perf_counter() - began
        return pictures


def timed_decode(
    frame: Frame, decoder: Decoder, size: InputSize | None, decode: Any = channel._decode
) -> Image:
    """Decode a frame and note how long that took."""
    began = time.perf_counter()
    image: Image = decode(frame, decoder, size)
    TAKEN[:] = [(began, time.perf_counter())]
    return image


class TimedPublishers(publishers.Publishers):
    """Notes when a frame's answer was out."""

    def send_answer(self, header: Any, image: Any, record: Any, **options: Any) -> None:
        """See `Publishers`."""
        super().send_answer(header, image, record, **options)
        done, result = time.perf_counter(), record.result
        stamp_ns = header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
        came, packet = CAME.pop(stamp_ns), PACKETS.pop(stamp_ns, 0.0)
        taken, decoded = TAKEN.pop()
        own = (done - came) * 1e3 - result.inference_ms
        parts = {
            'waiting': (taken - came - packet) * 1e3,
            'decoding': (decoded - taken + packet) * 1e3,
            'resizing': result.preprocess_ms,
        }
        ROWS.append(
            {
                'own': own,
                **parts,
                'rest': own - sum(parts.values()),
                'inference': result.inference_ms,
            }
        )


def main() -> int:
    """Run the node, then write the rows; returns the node's exit code."""
    out = Path(sys.argv[1])
    channel._decode = timed_decode
    stream.StreamDecoder = TimedDecoder  # type: ignore[attr-defined]
    channel.Camera = TimedCamera  # type: ignore[attr-defined]
    publishers.Publishers = TimedPublishers  # type: ignore[misc]
    code = classifier_node.main(sys.argv[2:])
    out.write_text(json.dumps(ROWS))
    return code


if __name__ == '__main__':
    sys.exit(main())
