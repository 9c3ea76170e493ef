"""Output bags of made-up answers, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image
from eevit_ros.images.settings import ImageSettings
from eevit_ros.model.engine import ExitResult
from eevit_ros.perception.perception import FrameRecord
from eevit_ros.recordings.source import SourceFrame
from eevit_ros.replay.running.output_bag import OutputBag

START_NS = 1_700_000_000_123_456_789
NAMES = ('dog', 'cat', 'owl')
RESULT = ExitResult(
    class_index=1,
    class_name='cat',
    confidence=0.7,
    exit_index=2,
    exit_layer=6,
    depth=0.5,
    probabilities=np.array([0.2, 0.7, 0.1], np.float32),
    preprocess_ms=1.0,
    inference_ms=20.0,
)
RECORD = FrameRecord(RESULT, adaptive_rate=0.25, age_ms=31.25, drops=7, model_hash='ab' * 32)


def refuse() -> Image:
    raise EevitError('cannot be read')


def frame(
    index: int, data: bytes = b'', kind: str = '', decode: Callable[[], Image] = refuse
) -> SourceFrame:
    received = START_NS + index * 100_000_000
    return SourceFrame(index, received, received - 5_000_000, data, kind, decode)


def open_bag(
    path: Path,
    topic: str = '/front/image_raw',
    class_ids: Sequence[str] = NAMES,
    *,
    images: ImageSettings | None = None,
) -> OutputBag:
    return OutputBag(
        path,
        image_topics={'': topic},
        names=NAMES,
        class_ids=class_ids,
        top_k=2,
        images={'': images} if images else {},
    )


def read(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Log time and message of all that a bag holds, by topic."""
    found: dict[str, list[tuple[int, Any]]] = {}
    with AnyReader([path]) as reader:
        for connection, time_ns, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            found.setdefault(connection.topic, []).append((time_ns, message))
    return found


def write_two_frames(path: Path, class_ids: Sequence[str] = NAMES) -> None:
    with open_bag(path, class_ids=class_ids) as bag:
        for index in range(2):
            one = frame(index, b'\xff\xd8 a jpeg', 'jpeg')
            bag.picture(one)
            bag.answer(one, RECORD, one.received_ns + 20_000_000)
            bag.limit(one.received_ns + 20_000_000, 0.25, 25.0)
