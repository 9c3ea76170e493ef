"""From a picture and the boxes in it to an answer for each box."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from eevit_ros.images.mounting import AS_IT_COMES, Mounting
from eevit_ros.images.resize import Image
from eevit_ros.model.engine import Engine, ExitResult, Vector, top
from eevit_ros.regions.box import OUTSIDE, Box, Rect, place
from eevit_ros.regions.memory import Memory
from eevit_ros.regions.settings import HOLD, SCORE, SIZE, RegionSettings

NO_TIME = 'no time'


@dataclass(frozen=True)
class Detection:
    """One thing that a detector has found.

    Attributes:
        id: Name by which a tracker finds it again; '' for none.
        box: Where it is.
        score: The detector's highest score for it; 0 without one.
    """

    id: str
    box: Box
    score: float


@dataclass(frozen=True)
class Region:
    """What became of one detection.

    Attributes:
        result: The answer to this picture; None where it was not asked for.
        probabilities: What goes out, float32 (C,): with memory the mean of several answers; None
            where nothing is known.
        why: Why it was not asked for: `NO_TIME` or a fault of the box; '' where it was.
        rect: The part of the picture that was asked for.
    """

    result: ExitResult | None = None
    probabilities: Vector | None = None
    why: str = ''
    rect: Rect | None = None

    @property
    def text(self) -> str:
        """The answer for people: class and layers that ran; '-' for none."""
        return f'{self.result.class_name} {self.result.exit_layer}' if self.result else '-'


def exit_layers(regions: Sequence[Region]) -> str:
    """Return the layers that ran for each region: '1 - 4', '-' for those that were not asked."""
    return ' '.join(str(one.result.exit_layer) if one.result else '-' for one in regions)


def may_hold(regions: Sequence[Region], settings: RegionSettings) -> bool:
    """Return whether the rate may stay after a picture in which the detector saw nothing.

    A box that cannot be cut out for another reason than its place is of something.
    """
    return settings.no_regions == HOLD and all(region.why == OUTSIDE for region in regions)


def read_detections(message: Any) -> list[Detection]:
    """Return the detections of a vision_msgs/Detection2DArray, of a topic or of a bag.

    An id that occurs twice is none: a tracker would not give it, and two things would be mixed.
    """
    found = message.detections
    counts = Counter(one.id for one in found)
    return [Detection(_unique(one.id, counts), _box(one.bbox), _score(one)) for one in found]


class RegionClassifier:
    """Classifies the boxes of one camera's pictures, each leaving at its own exit. For one thread.

    Attributes:
        settings: May be replaced at any time.
    """

    def __init__(
        self,
        engine: Engine,
        settings: RegionSettings,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Start with no memory; `clock` gives seconds."""
        self.settings = settings
        self._engine = engine
        self._clock = clock
        self._memory = Memory()

    def classify(
        self, image: Image, detections: Sequence[Detection], mounting: Mounting = AS_IT_COMES
    ) -> list[Region]:
        """Classify as many boxes as there is time for, the most important first.

        Args:
            image: The picture in full resolution, uint8 (H, W, 3) RGB, mounted.
            detections: Boxes in the picture before it was mounted.
            mounting: What was done to it.

        Returns:
            A region for each detection, in their order.

        Raises:
            EevitError: The model fails, or answers nonsense.
        """
        settings, memory, images = self.settings, self._memory, self.settings.region_memory_frames
        start_s = self._clock()
        memory.next_image()
        height, width = image.shape[:2]
        places = [place(x.box, settings.region_margin, height, width, mounting) for x in detections]
        regions = [Region(why=fault if isinstance(fault, str) else NO_TIME) for fault in places]
        rects = {index: rect for index, rect in enumerate(places) if isinstance(rect, Rect)}
        longest_s = 0.0
        for index in sorted(rects, key=partial(self._rank, detections, rects)):
            id, rect, before_s = detections[index].id, rects[index], self._clock()
            # The next one may take as long as the longest so far.
            if longest_s and (before_s - start_s + longest_s) * 1e3 > settings.regions_budget_ms:
                regions[index] = Region(None, memory.mean(id, images), NO_TIME, rect)
                continue
            result = self._engine.run(cut(image, rect))
            longest_s = max(longest_s, self._clock() - before_s)
            answer: Vector | None = result.probabilities
            if id:
                memory.add(id, result.probabilities, images)
                answer = memory.mean(id, images)
            regions[index] = Region(result, answer, '', rect)
        return regions

    def _rank(
        self, detections: Sequence[Detection], rects: Mapping[int, Rect], index: int
    ) -> tuple[float, ...]:
        """Return a sort key of a box: the lowest is classified first."""
        rect, order = rects[index], self.settings.region_order
        size = (rect.right - rect.left) * (rect.bottom - rect.top)
        if order == SIZE:
            return (-size,)
        one = detections[index]
        if order == SCORE:
            return -one.score, -size
        # Those without an id come last: never known, they would always be first.
        return self._memory.last(one.id) if one.id else math.inf, -size


def answer(
    message: Any,
    regions: Sequence[Region],
    class_ids: Sequence[str],
    top_k: int,
    hypothesis: Callable[[str, float, Any], Any],
) -> None:
    """Replace the detector's classes in its message by the model's, best first.

    A region of which nothing is known has none.

    Args:
        message: A vision_msgs/Detection2DArray.
        regions: What became of each detection.
        class_ids: What `class_id` holds, by class index.
        top_k: How many classes go out.
        hypothesis: Makes an ObjectHypothesisWithPose of a class, its probability and the detector's
            pose, None where it gave none.
    """
    for detection, region in zip(message.detections, regions, strict=True):
        known, pose = region.probabilities, None
        if known is not None and detection.results:
            pose = max(detection.results, key=lambda one: float(one.hypothesis.score)).pose
        best = [] if known is None else top(known, top_k)
        detection.results = [hypothesis(class_ids[index], score, pose) for index, score in best]


def cut(image: Image, rect: Rect | None) -> Image:
    """Return a part of a picture: a view; None is all of it."""
    return image if rect is None else image[rect.top : rect.bottom, rect.left : rect.right]


def _unique(id: str, counts: Counter[str]) -> str:
    return id if counts[id] == 1 else ''


def _box(box: Any) -> Box:
    centre = box.center
    return Box(centre.position.x, centre.position.y, box.size_x, box.size_y, centre.theta)


def _score(detection: Any) -> float:
    scores = [one.hypothesis.score for one in detection.results]
    return max((score for score in scores if not math.isnan(score)), default=0.0)
