"""How the boxes of a detector are classified, as parameters."""

from __future__ import annotations

from dataclasses import dataclass

from eevit_ros.settings import parameter

SIZE, SCORE, LEAST_RECENT = 'size', 'score', 'least_recent'
ORDERS = (SIZE, SCORE, LEAST_RECENT)
FLOOR, HOLD = 'floor', 'hold'


@dataclass(frozen=True)
class RegionSettings:
    """The parameters of regions."""

    regions: bool = parameter(
        False,
        'Classify the boxes that a detector publishes on `regions` (vision_msgs/Detection2DArray), '
        'in place of whole images. See docs/regions.md.',
    )
    region_margin: float = parameter(
        0.1,
        'Share of its width and height by which a box is enlarged on each side.',
        0.0,
        5.0,
        live=True,
    )
    region_order: str = parameter(
        SIZE,
        "Which boxes of an image are classified first. size: the largest. score: the detector's "
        'surest. least_recent: those whose id was answered longest ago, or never.',
        choices=ORDERS,
        live=True,
    )
    regions_budget_ms: float = parameter(
        100.0,
        'Time for the boxes of one image, milliseconds. Those that do not fit go out unclassified '
        'and are counted; the first one always fits.',
        1.0,
        60_000.0,
        live=True,
    )
    region_memory_frames: int = parameter(
        1,
        'A box with an id (of a tracker) goes out with the mean of the answers to that id over so '
        'many images, also where this one left it no time. 1: with this one alone.',
        1,
        100,
        live=True,
    )
    regions_wait_s: float = parameter(
        0.5,
        'How long images and detections wait for each other, seconds: longer than the detector '
        'takes.',
        0.01,
        10.0,
    )
    no_regions: str = parameter(
        FLOOR,
        'What an image without a box means for the rate. floor: no evidence, so that the rate '
        'drops to its floor after rate.stale_after_s. hold: the rate stays and does not rise.',
        choices=(FLOOR, HOLD),
        live=True,
    )
