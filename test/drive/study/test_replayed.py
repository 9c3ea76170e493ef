from __future__ import annotations

import pytest

from drive.study.fleet import drive
from drive.study.laws import Law, LawDriver, by_depth
from drive.study.measures import Weigher
from drive.study.replayed import replayed
from drive.study.worlds import Part
from test.drive.study.made_up import MODEL, PART, route


def test_replay_drives_a_recording_as_the_fleet_drives_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = Part(PART.seeds[:4], PART.signs, PART.scenery)
    monkeypatch.setattr('test.drive.study.made_up.PART', few)
    routes = route()
    law = Weigher(routes, resamples=1).curve(
        drive(routes, LawDriver(Law(by_depth, (0.5,)), routes.frames))
    )
    found = replayed(routes, MODEL)
    assert found.seconds / 4 == pytest.approx(law.seconds[0, 0], rel=0.05)
    missed = {place.name: place.missed for place in found.places}
    # A cell has two frames, so every second recorded one is the same: replay reads a little more.
    for kind, name in enumerate(routes.paths.conditions):
        assert missed[name] == pytest.approx(law.rates[0, 0, kind], abs=0.15)
