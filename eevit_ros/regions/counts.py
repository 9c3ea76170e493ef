"""What regions add to the diagnostics of a camera."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from eevit_ros.perception.statistics import PublisherCount
from eevit_ros.perception.status import DISCOVERY_S, ERROR, WARN, Status
from eevit_ros.regions.classify import NO_TIME, Region
from eevit_ros.regions.pairing import Pairing
from eevit_ros.regions.settings import FLOOR, RegionSettings


@dataclass
class _Counts:
    images: int = 0
    none: int = 0
    regions: int = 0
    classified: int = 0
    no_time: int = 0
    unusable: int = 0
    alone: int = 0
    received: int = 0


class Counts:
    """Counts regions since activation. Written in the inference thread, read in the executor's."""

    def __init__(self) -> None:
        """Start at 0."""
        self._lock = threading.Lock()
        self._counts = _Counts()
        self._reported = _Counts()  # at the time of the last report
        self._unusable = ''

    def take(self, regions: Sequence[Region]) -> None:
        """Count the regions of an image."""
        counts = self._counts
        with self._lock:
            counts.images += 1
            counts.regions += len(regions)
            counts.none += not any(region.result for region in regions)
            for region in regions:
                if region.result:
                    counts.classified += 1
                elif region.why == NO_TIME:
                    counts.no_time += 1
                else:
                    counts.unusable += 1
                    self._unusable = region.why

    def report(
        self,
        status: Status,
        now_s: float,
        *,
        pairing: Pairing[Any, Any],
        publishers: PublisherCount,
        settings: RegionSettings,
        stale_after_s: float,
        images_come: bool,
    ) -> Status:
        """Return a camera's status with what is to be said of regions since the last one.

        Args:
            status: The status.
            now_s: Steady clock, seconds.
            pairing: Brings images and detections together.
            publishers: Publishers of the detections.
            settings: How regions are classified.
            stale_after_s: Detections are missed after so long, or after the wait for them.
            images_come: Whether the camera is not silent.
        """
        pairing.expire(now_s)
        with self._lock:
            self._counts.alone, self._counts.received = pairing.alone, pairing.received
            counts, before = replace(self._counts), self._reported
            self._reported, unusable = counts, self._unusable
        values = {
            'regions': counts.regions,
            'regions_classified': counts.classified,
            'regions_no_time': counts.no_time,
            'regions_unusable': counts.unusable,
            'images_without_region': counts.none,
            'images_unmatched': pairing.pictures_alone,
            'detections_received': counts.received,
            'detections_unmatched': counts.alone,
            'detections_topic': publishers.topic,
            'detections_publishers': publishers.count,
        }
        status = replace(status, values={**status.values, **{k: str(v) for k, v in values.items()}})
        silent_s = now_s - pairing.received_s
        missed_s = max(stale_after_s, settings.regions_wait_s)
        if not counts.received:
            missed_s = max(missed_s, DISCOVERY_S)
        if images_come and silent_s > missed_s:
            why = _silence(publishers)
            text = f'no detections on {publishers.topic} for {silent_s:.1f} s: {why}'
            status = status.with_problem(text, ERROR)
        elif publishers.unheard:
            text = f'detections cannot be heard: {publishers.unheard}'
            status = status.with_problem(text)
        images = counts.images - before.images
        if alone := counts.alone - before.alone:
            text = f'{alone} message(s) of detections fit no image, the last: {pairing.why}'
            status = status.with_problem(text, WARN if images else ERROR)
        if no_time := counts.no_time - before.no_time:
            of = counts.regions - before.regions
            text = f'{no_time} of {of} regions did not fit into regions_budget_ms'
            status = status.with_problem(text)
        if odd := counts.unusable - before.unusable:
            text = f'{odd} box(es) cannot be cut out, the last is {unusable}'
            cure = 'they are to be in pixels of the whole image, and within image_crop'
            status = status.with_problem(f'{text}: {cure}')
        if images and images == counts.none - before.none and settings.no_regions == FLOOR:
            text = 'no image had a region: the rate drops to its floor (parameter no_regions)'
            status = status.with_problem(text)
        return status


def _silence(publishers: PublisherCount) -> str:
    if publishers.unheard:
        return publishers.unheard
    if publishers.count == 0:
        name = f'{publishers.camera}/regions' if publishers.camera else 'regions'
        return f"it has no publisher: start the detector, check the remapping of '{name}'"
    return f'its {publishers.count} publisher(s) are silent'
