"""The classifier with a mistake in the callback of its images: it raises at a white one."""

from __future__ import annotations

import sys
from typing import Any

from eevit_ros.nodes.classifier.camera import Camera
from eevit_ros.nodes.classifier.node import main

WHITE = 200
_on_image = Camera._on_image


def raise_at_white(camera: Camera, message: Any) -> None:
    if message.data[len(message.data) // 2] > WHITE:
        raise RuntimeError('a mistake')
    _on_image(camera, message)


Camera._on_image = raise_at_white  # type: ignore[method-assign]
sys.exit(main())
