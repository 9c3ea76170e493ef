"""The options that say how a folder of images is read."""

from __future__ import annotations

import argparse

from eevit_ros.errors import EevitError
from eevit_ros.images.settings import AUTO, Range, image_range
from model_export.data import Reading
from model_export.data.groups import BY

GROUP_BY_HELP = f'images that belong together and stay on one side: {BY}'


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add `--group-by`, `--skip-damaged` and `--image-range`."""
    parser.add_argument('--group-by', metavar='HOW', help=GROUP_BY_HELP)
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
    return Reading(args.group_by, args.skip_damaged, args.image_range)


def _range(text: str) -> Range | str | None:
    try:
        return image_range(text if text == AUTO else [float(x) for x in text.split(',')])
    except (ValueError, EevitError) as err:
        raise argparse.ArgumentTypeError(
            f'must be BLACK,WHITE, two different numbers such as 0,4095, or auto. Got {text!r}'
        ) from err
