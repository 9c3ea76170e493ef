"""The options that say how a folder of images is read."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from eevit_ros.errors import EevitError
from eevit_ros.images.settings import AUTO, Range, image_range

if TYPE_CHECKING:
    from model_export.data import Reading


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add `--group-by`, `--skip-damaged` and `--image-range`."""
    parser.add_argument(
        '--group-by',
        metavar='HOW',
        help="images that belong together and stay on one side: 'folder' (CLASS/GROUP/*), 'burst' "
        "(near-equal neighbours), or a pattern of file names, such as '^track_[0-9]+'",
    )
    parser.add_argument(
        '--skip-damaged',
        action='store_true',
        help='leave out images that cannot be decoded, and say how many',
    )
    parser.add_argument(
        '--image-range',
        type=_range,
        metavar='BLACK,WHITE',
        help='values of black and white in images of more than 8 bits, such as 0,4095, or auto '
        "(each image's own); give the robot the same as image_range",
    )


def reading_of(args: argparse.Namespace) -> Reading:
    """Return how the data are read."""
    from model_export.data import Reading  # slow, and needs what a robot has not

    return Reading(args.group_by, args.skip_damaged, args.image_range)


def _range(text: str) -> Range | str | None:
    try:
        return image_range(text if text == AUTO else [float(x) for x in text.split(',')])
    except (ValueError, EevitError) as err:
        raise argparse.ArgumentTypeError(
            f'must be BLACK,WHITE, two different numbers such as 0,4095, or auto. Got {text!r}'
        ) from err
