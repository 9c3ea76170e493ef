"""A tiny model asked about boxes: bright ones leave early, dark ones late."""

from __future__ import annotations

import itertools
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from eevit_ros.model.engine import Engine
from eevit_ros.perception.perception import Perception, PerceptionSettings
from eevit_ros.perception.statistics import PublisherCount
from eevit_ros.perception.status import ERROR, OK, WARN, Status
from eevit_ros.regions.box import Box
from eevit_ros.regions.classify import (
    NO_TIME,
    Detection,
    RegionClassifier,
    exit_layers,
    read_detections,
)
from eevit_ros.regions.counts import Counts
from eevit_ros.regions.memory import Memory
from eevit_ros.regions.pairing import Key, Pairing
from eevit_ros.regions.settings import HOLD, RegionSettings
from eevit_ros.speed.rate import RateSettings
from harness.tiny_model import write_tiny_model

GREYS = {'white': 255, 'middle': 130, 'black': 0}
LAYERS = {'white': 1, 'middle': 2, 'black': 4}


@pytest.fixture(scope='module')
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(write_tiny_model(tmp_path_factory.mktemp('model') / 'tiny.onnx'))


def picture(*names: str) -> np.ndarray:
    """Return squares of 40 pixels side by side."""
    return np.concatenate([np.full((40, 40, 3), GREYS[name], np.uint8) for name in names], axis=1)


def square(place: int, side: float = 40, id: str = '', score: float = 0.0) -> Detection:
    return Detection(id, Box(40 * place + 20, 20, side, side), score)


def classifier(engine: Engine, tick_s: float = 0.0, **settings: Any) -> RegionClassifier:
    """Return one whose clock goes on by `tick_s` each time it is read."""
    ticks = itertools.count()
    given = RegionSettings(**{'region_margin': 0.0, **settings})
    return RegionClassifier(engine, given, lambda: next(ticks) * tick_s)


def test_each_region_leaves_at_its_own_exit(engine: Engine) -> None:
    names = ('black', 'white', 'middle')
    found = classifier(engine).classify(picture(*names), [square(i) for i in range(3)])
    assert exit_layers(found) == ' '.join(str(LAYERS[name]) for name in names)
    assert all(region.probabilities is not None for region in found)


def test_a_box_that_cannot_be_cut_leaves_the_others_their_answers(engine: Engine) -> None:
    boxes = [square(7), square(0, 0.0), square(1, float('nan')), square(1)]
    found = classifier(engine).classify(picture('black', 'white'), boxes)
    assert [region.why for region in found] == ['outside', 'under 2 pixels', 'not finite', '']
    assert exit_layers(found) == '- - - 1'


@pytest.mark.parametrize(
    ('order', 'wanted'), [('size', [0, 2]), ('score', [1, 2]), ('least_recent', [0, 2])]
)
def test_what_is_classified_when_time_is_short(
    engine: Engine, order: str, wanted: list[int]
) -> None:
    boxes = [square(0, 40, 'a', 0.1), square(1, 20, 'b', 0.9), square(2, 30, 'c', 0.8)]
    # A region takes a tick of 10 ms, looking at the clock before it another.
    asked = classifier(engine, 0.01, region_order=order, regions_budget_ms=45.0)
    found = asked.classify(picture('white', 'white', 'white'), boxes)
    assert [i for i, region in enumerate(found) if region.result] == wanted
    assert [region.why for region in found if not region.result] == [NO_TIME]


def test_the_first_region_fits_into_any_budget_and_ten_thousand_do_no_harm(engine: Engine) -> None:
    boxes = [square(0) for _ in range(10_000)]
    found = classifier(engine, 1.0, regions_budget_ms=1.0).classify(picture('white'), boxes)
    assert [i for i, region in enumerate(found) if region.result] == [0]
    assert sum(region.why == NO_TIME for region in found) == 9_999


def test_all_tracked_things_have_their_turn_and_keep_their_answer(engine: Engine) -> None:
    boxes = [square(i, 40 - i, id) for i, id in enumerate('abc')]
    asked = classifier(
        engine,
        0.01,
        region_order='least_recent',
        regions_budget_ms=1.0,
        region_memory_frames=3,
    )
    turns = []
    for _ in range(7):
        found = asked.classify(picture('white', 'middle', 'black'), boxes)
        turns += [boxes[i].id for i, region in enumerate(found) if region.result]
    assert turns == list('abcabca')
    assert all(region.probabilities is not None for region in found)
    more = [square(0, 40, ''), square(1, 39, 'new'), *boxes]
    found = asked.classify(picture('white', 'white', 'white'), more)
    assert [i for i, region in enumerate(found) if region.result] == [1]


def test_the_memory_of_an_id_is_the_mean_of_its_last_answers(engine: Engine) -> None:
    asked = classifier(engine, region_memory_frames=2)
    alone = {
        name: classifier(engine).classify(picture(name), [square(0)])[0].probabilities
        for name in GREYS
    }

    def mean(*names: str) -> Any:
        return pytest.approx(np.mean([alone[name] for name in names], axis=0), abs=1e-6)

    def answer(name: str, id: str = 'a') -> Any:
        return asked.classify(picture(name), [square(0, 40, id)])[0].probabilities

    assert answer('white') == mean('white')
    assert answer('black') == mean('white', 'black')
    assert answer('middle') == mean('black', 'middle')
    assert answer('white', 'b') == mean('white')  # another thing
    assert answer('white', '') == mean('white')  # no id, no memory
    assert answer('black', '') == mean('black')


def message(*ids: str, scores: tuple[float, ...] = ()) -> Any:
    """Return something with the fields of a vision_msgs/Detection2DArray."""
    centre = SimpleNamespace(position=SimpleNamespace(x=1.0, y=2.0), theta=0.5)
    box = SimpleNamespace(center=centre, size_x=3.0, size_y=4.0)
    results = [SimpleNamespace(hypothesis=SimpleNamespace(class_id='', score=x)) for x in scores]
    return SimpleNamespace(
        detections=[SimpleNamespace(id=id, bbox=box, results=results) for id in ids]
    )


def test_detections_are_read_from_a_message() -> None:
    assert read_detections(message('7', scores=(0.2, float('nan'), 0.9))) == [
        Detection('7', Box(1.0, 2.0, 3.0, 4.0, 0.5), 0.9)
    ]
    assert [one.score for one in read_detections(message('', scores=()))] == [0.0]


def test_an_id_that_occurs_twice_is_none() -> None:
    assert [one.id for one in read_detections(message('1', '2', '1'))] == ['', '2', '']


def test_the_hardest_region_sets_the_rate(engine: Engine) -> None:
    """Deep is hard; but an answer that is not sure is the floor, however early it came."""
    perception = Perception(engine, PerceptionSettings(rate=RateSettings(min_confidence=0.5)))
    image = picture('white', 'middle', 'black')
    found = classifier(engine).classify(image, [square(i) for i in range(3)])
    answers = [region.result for region in found if region.result]
    assert perception.observe_regions(image, answers[:2]).result.exit_layer == 2
    observation = perception.observe_regions(image, answers)
    assert observation.result.exit_layer == 4
    assert observation.result.inference_ms == pytest.approx(sum(a.inference_ms for a in answers))
    engine.thresholds = 0.0  # all leave at once, the dark ones with little confidence
    try:
        found = classifier(engine).classify(image, [square(i) for i in range(3)])
    finally:
        engine.thresholds = engine.default_thresholds
    answers = [region.result for region in found if region.result]
    assert perception.observe_regions(image, answers).result.confidence < 0.5


def test_answers_are_forgotten_with_their_window_but_not_that_there_were_some() -> None:
    memory, answer = Memory(), np.zeros(3, np.float32)
    kept = weakref.ref(answer)
    memory.next_image()
    memory.add('a', answer, 2)
    del answer
    for _ in range(2):
        assert kept() is not None
        memory.next_image()
        memory.add('b', np.ones(3, np.float32), 2)
    assert kept() is None
    assert (memory.mean('a', 2), memory.last('a')) == (None, 1)


def report(counts: Counts, pairing: Pairing[Any, Any], now_s: float = 1.0, **more: Any) -> Status:
    given: dict[str, Any] = {
        'publishers': PublisherCount('/regions', 1),
        'settings': RegionSettings(),
        'stale_after_s': 0.3,
        'images_come': True,
        **more,
    }
    return counts.report(Status(OK, 'well', {}), now_s, pairing=pairing, **given)


def test_the_status_tells_of_boxes_and_of_a_detector_that_stopped(engine: Engine) -> None:
    counts, pairing = Counts(), Pairing[int, int](0.5, 0.0)
    pairing.picture(Key(1, 'a'), 0, 0.9)
    pairing.detections(Key(1, 'a'), 0, 0.9)
    boxes = [square(0), square(1, 0.0)]
    counts.take(classifier(engine).classify(picture('white', 'white'), boxes))
    found = report(counts, pairing)
    assert (found.level, found.values['regions_unusable']) == (WARN, '1')
    assert 'under 2 pixels' in found.message
    counts.take(classifier(engine).classify(picture('white'), [square(0)]))
    assert report(counts, pairing).message == 'well'
    counts.take([])
    assert 'no_regions' in report(counts, pairing).message
    counts.take([])
    assert report(counts, pairing, settings=RegionSettings(no_regions=HOLD)).level == OK
    assert report(counts, pairing, 1.5).level == ERROR
    assert report(counts, pairing, 1.5, images_come=False).level == OK
    assert (
        'start the detector'
        in report(counts, pairing, 1.5, publishers=PublisherCount('/regions')).message
    )
