"""What users set of a camera's images: parameters of the classifier, and of a recipe for photos."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from typing import Any, TypeAlias

from eevit_ros.errors import EevitError
from eevit_ros.images.mounting import Mounting
from eevit_ros.settings import group, parameter

Range: TypeAlias = tuple[float, float]
"""The values of black and white, in the unit of the pixels."""

AUTO = 'auto'


def image_range(value: object) -> Range | str | None:
    """Return what `image_range` asks for: a range, `AUTO`, or None for the encoding's own.

    Raises:
        EevitError: It is none of these.
    """
    if value is None or value in ('', AUTO):
        return AUTO if value == AUTO else None
    values: list[Any] = list(value) if isinstance(value, (list, tuple, array)) else []
    numbers = [x for x in values if isinstance(x, (int, float)) and not isinstance(x, bool)]
    if len(values) != 2 or len(numbers) != 2 or not all(map(math.isfinite, numbers)):
        raise EevitError(
            "parameter 'image_range' must be [BLACK, WHITE], for instance [0, 4095] for 12 bits, "
            f'or auto, or empty. Got {value!r}'
        )
    black, white = map(float, numbers)
    if black == white:
        raise EevitError(
            f"parameter 'image_range' must have a white that differs from black. Got {value!r}"
        )
    return black, white


@dataclass(frozen=True)
class ImageSettings:
    """How a camera's images are read; the same in node, replay and training.

    Attributes:
        mounting: Which part of them counts, and which way is up.
    """

    image_range: Range | str | None = parameter(
        '',
        'Values of black and white in images of more than 8 bits a channel: [0, 4095] for 12 bits '
        'in mono16, [0, 5000] for depth in mm up to 5 m. auto: follows the image, slowly. Empty: '
        "the encoding's own, see docs/cameras_and_bags.md.",
        live=True,
        any_type=True,
        convert=image_range,
    )
    mounting: Mounting = group(Mounting)
