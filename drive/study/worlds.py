"""The worlds of the study, their paths and pictures: declared before any report path was driven.

A path is laid out as in `drive.scene.world`: eight zones of 12 m, in each three signs that are seen
over their last 2.5 m, scenery between them. What a zone is like is one of `CONDITIONS`.

Laws are chosen on the development paths, and reported on the report paths. Each part has seeds and
pictures of its own; those of the first report, which had been seen when laws were chosen anew, are
the sheet's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drive.scene.pictures import COUNT
from drive.scene.world import (
    HALF,
    LENGTH_M,
    SCENERY_LENGTH_M,
    SEEDS_WITHOUT_REPETITION,
    SIGHT_M,
    SIGNS,
    SIGNS_PER_ZONE,
    START_M,
    ZONE_M,
)

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """A kind of path.

    Attributes:
        zones: Condition of each of the eight zones.
        in_order: Whether they follow one another as listed, from a zone that the seed draws;
            otherwise the seed draws their order.
    """

    zones: tuple[str, ...]
    in_order: bool = False


WORLDS = {
    'balanced': World(('full light',) * 3 + ('dusk',) * 2 + ('dark',) * 3),
    'rare hard': World(('full light',) * 7 + ('dark',)),
    'gradual': World(
        (
            'full light',
            'early dusk',
            'dusk',
            'late dusk',
            'dark',
            'late dusk',
            'dusk',
            'early dusk',
        ),
        in_order=True,
    ),
    'motion blur': World(('full light',) * 3 + ('shaking',) * 2 + ('jolting',) * 3),
    'fog': World(('full light',) * 3 + ('mist',) * 2 + ('fog',) * 3),
    'small and covered': World(('full light',) * 3 + ('small',) * 3 + ('covered',) * 2),
    'another camera': World(('other camera',) * 4 + ('other camera, dark',) * 4),
}


@dataclass(frozen=True)
class Part:
    """Paths and pictures that belong together.

    Attributes:
        seeds: One a path.
        signs: Numbers of the pictures that signs show.
        scenery: Numbers of the pictures between them.
    """

    seeds: range
    signs: range
    scenery: range


_SCENERY = SEEDS_WITHOUT_REPETITION * SIGNS  # where in each half of the sheet its pictures begin
FURTHER = 300  # pictures that are not on the sheet, see `seen.pictures`
_LAST = COUNT + FURTHER
DEVELOPMENT, SHEET, REPORT = 'development', 'sheet', 'report'
PARTS = {
    DEVELOPMENT: Part(range(1000, 1100), range(HALF, HALF + 80), range(HALF + _SCENERY, 2 * HALF)),
    # The first report's: for models whose answers to the further pictures are not kept.
    SHEET: Part(range(200), range(64), range(_SCENERY, HALF)),
    REPORT: Part(range(2000, 2200), range(COUNT, COUNT + 200), range(_LAST - 60, _LAST)),
}


@dataclass(frozen=True)
class Paths:
    """All paths of a world and a part. N paths, S signs, V pictures of scenery.

    Attributes:
        sign_m: float64 (N, S), where each sign stands, rising.
        sign_picture: int64 (N, S), number of its picture.
        sign_shift: float64 (N, S), shift of the sign's grid of distances, cells, within +-0.5: the
            grid is coarse, and no distance of all signs shall be at the edge of a cell.
        sign_zone: int64 (N, S), number of its zone.
        scenery: int64 (N, V), pictures between them, `SCENERY_LENGTH_M` of path each.
        zones: int64 (N, Z), number of each zone's condition.
        conditions: Names that those numbers stand for.
    """

    sign_m: npt.NDArray[np.float64]
    sign_picture: Numbers
    sign_shift: npt.NDArray[np.float64]
    sign_zone: Numbers
    scenery: Numbers
    zones: Numbers
    conditions: tuple[str, ...]


def make_paths(world: World, part: Part) -> Paths:
    """Draw the paths of a part."""
    names = tuple(dict.fromkeys(world.zones))
    kinds = np.array([names.index(zone) for zone in world.zones])
    stretch_m = ZONE_M / SIGNS_PER_ZONE
    ends_m = START_M + stretch_m * np.arange(1, SIGNS + 1)
    views = int(np.ceil(LENGTH_M / SCENERY_LENGTH_M))
    sign_m, shift, pictures, scenery, zones = [], [], [], [], []
    for seed in part.seeds:
        rng = np.random.default_rng((seed, 2))
        drawn = rng.permutation(len(kinds))
        zones.append(np.roll(kinds, drawn[0]) if world.in_order else kinds[drawn])
        # Visible within its own stretch alone, at the earliest after a little scenery.
        sign_m.append(rng.uniform(ends_m - stretch_m + SIGHT_M + 0.5, ends_m))
        pictures.append(rng.choice(part.signs, SIGNS, replace=False))
        scenery.append(rng.choice(part.scenery, views))
        shift.append(rng.uniform(-0.5, 0.5, SIGNS))
    zone = np.tile(np.repeat(np.arange(len(kinds)), SIGNS_PER_ZONE), (len(part.seeds), 1))
    return Paths(
        sign_m=np.array(sign_m),
        sign_picture=np.array(pictures),
        sign_shift=np.array(shift),
        sign_zone=zone,
        scenery=np.array(scenery),
        zones=np.array(zones),
        conditions=names,
    )
