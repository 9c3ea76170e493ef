"""What the classifier counts, and the status it makes of that once a second. Without ROS."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from eevit_ros.perception.camera_health import CameraHealth
from eevit_ros.perception.perception import FrameRecord, Observation
from eevit_ros.perception.stamps import mismatch, useless
from eevit_ros.perception.status import DISCOVERY_S, ERROR, OK, WARN, Status
from eevit_ros.speed.rate import RateSettings, without_age

LATENCIES = 300
GAPS_TO_WARN = 0.3
"""Share of the intervals between stamps that lack a frame."""

REMEDY = 'with Fast DDS give the camera driver config/fastdds_shared_memory.xml'


@dataclass(frozen=True)
class PublisherCount:
    """Who publishes on the image topic, as the middleware's graph shows it.

    Attributes:
        topic: Full name of the topic.
        count: Number of publishers.
        unheard: Publishers that the subscription cannot hear, and why; '' if there is none.
        others: Topics with images that the node is not set to, and the arguments for them.
        camera: Name of the camera; '' of the only one.
    """

    topic: str
    count: int = 0
    unheard: str = ''
    others: str = ''
    camera: str = ''

    def silence(self) -> str:
        """Return why no image comes."""
        if self.count == 0 and self.others:
            return f'it has no publisher, but {self.others}'
        if self.count == 0:
            return f"it has no publisher: check the camera and the remapping of '{self._image}'"
        return self.mismatch() if self.unheard else f'its {self.count} publisher(s) are silent'

    def mismatch(self) -> str:
        """Return who is not heard, and the remedy."""
        if self.others:
            return f'{self.unheard}: {self.others}'
        return (
            f"{self.unheard}: check the remapping of '{self._image}', the parameter "
            f'{f"{self.camera}." if self.camera else ""}image_transport, and '
            f'QoS there or here (parameters qos_overrides.{self.topic}.subscription.*)'
        )

    @property
    def _image(self) -> str:
        return f'{self.camera}/image' if self.camera else 'image'


@dataclass
class _Counts:
    answered: int = 0
    unsure: int = 0
    bad: int = 0
    blind: int = 0
    stalls: int = 0
    waited: int = 0
    lost: int = 0
    withheld: int = 0


class Statistics:
    """Counts what happens since activation. Written from two threads, hence the lock.

    All times are seconds on the steady clock, given by the caller.

    Attributes:
        rate: Settings that say what is stale and what is unsure.
    """

    def __init__(self, started_s: float, rate: RateSettings) -> None:
        """Start counting at `started_s`."""
        self.rate = rate
        self._lock = threading.Lock()
        self._counts = _Counts()
        self._reported = _Counts()  # at the time of the last report
        self._answered_s = started_s
        self._stall_s = 0.0
        self._error = self._last_unsure = self._last_blind = ''
        self._last_was_bad = False
        self._mismatch_s: float | None = None  # of the last answer
        self._contrast: float | None = None
        self._is_blind = False
        self._exits: Counter[int] = Counter()
        self._inference_ms: deque[float] = deque(maxlen=LATENCIES)
        self._age_ms: deque[float] = deque(maxlen=LATENCIES)

    def answered(
        self, observation: Observation, record: FrameRecord, now_s: float, *, waited: bool = False
    ) -> None:
        """Count an answered frame; it may have `waited` for the end of a stall."""
        result, counts = observation.result, self._counts
        with self._lock:
            counts.answered += 1
            counts.waited += waited
            self._looked_at(observation.contrast, observation.blind, now_s)
            self._exits[result.exit_layer] += 1
            if result.confidence < self.rate.min_confidence:
                counts.unsure += 1
                self._last_unsure = f'{result.class_name!r} {result.confidence:.2f}'
            self._inference_ms.append(result.inference_ms)
            self._mismatch_s = None
            if record.age_ms is not None:
                self._age_ms.append(record.age_ms)
            elif not record.useless_stamps:
                self._mismatch_s = record.behind_s

    def no_region(self, contrast: float, blind: bool, now_s: float) -> None:
        """Count a frame that was looked at, but has no region to ask."""
        with self._lock:
            self._looked_at(contrast, blind, now_s)

    def bad_frame(self, error: str) -> None:
        """Count a frame that could not be answered."""
        with self._lock:
            self._counts.bad += 1
            self._error = error
            self._last_was_bad = True

    def stalled(self, seconds: float) -> None:
        """Count a time in which this process did not run."""
        with self._lock:
            self._counts.stalls += 1
            self._stall_s = seconds

    def report(
        self,
        now_s: float,
        *,
        camera: CameraHealth,
        publishers: PublisherCount,
        drops: int,
        facts: Mapping[str, str],
    ) -> Status:
        """Return the status, judging by what happened since the last one.

        Args:
            now_s: Steady clock, seconds.
            camera: Frames that came in; read in the thread that updates it.
            publishers: Publishers of the image topic.
            drops: Frames replaced by newer ones before the network was free.
            facts: Further values to show (model, provider, ...). A `provider_note` and an
                `image_note` among them are problems, too.

        Returns:
            The status; its message holds every problem found, its level is the worst one's.
        """
        with self._lock:
            self._counts.lost, self._counts.withheld = camera.lost, camera.withheld
            problems = [
                *self._camera_problems(now_s, camera, publishers),
                *self._answer_problems(now_s, camera, facts.get('image_note', '')),
                *_provider_problems(facts),
            ]
            values = self._values(now_s, camera, drops)
            answers = self._counts.answered - self._reported.answered
            self._reported = replace(self._counts)
        well = f'{answers} frames answered'
        if not camera.received:
            well = f'waiting for the first image on {publishers.topic}'
        message = '; '.join(text for _, text in problems) or well
        level = max((level for level, _ in problems), default=OK)
        topic = {'image_topic': publishers.topic, 'image_publishers': str(publishers.count)}
        return Status(level, message, {**values, **topic, **facts}, tuple(problems))

    def _looked_at(self, contrast: float, blind: bool, now_s: float) -> None:
        self._answered_s = now_s
        self._last_was_bad = False
        self._contrast, self._is_blind = contrast, blind
        if blind:
            self._counts.blind += 1
            self._last_blind = f'contrast {contrast:.1f}'

    def _camera_problems(
        self, now_s: float, camera: CameraHealth, publishers: PublisherCount
    ) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        silent_s = now_s - camera.received_s
        is_silent = silent_s > self.rate.stale_after_s
        if is_silent and not camera.received and not publishers.unheard:
            is_silent = silent_s > DISCOVERY_S
        if is_silent:
            since = f'no image on {publishers.topic} for {silent_s:.1f} s'
            found.append((ERROR, f'{since}: {publishers.silence()}'))
        elif publishers.unheard:
            found.append((WARN, f'a publisher cannot be heard: {publishers.mismatch()}'))
        if camera.frozen:
            found.append((ERROR, f'camera frozen: the same frame came {camera.repeats + 1} times'))
        if lost := camera.lost - self._reported.lost:
            found.append((WARN, f'the middleware lost {lost} image message(s): {REMEDY}'))
        if withheld := self._counts.withheld - self._reported.withheld:
            level = ERROR if camera.withheld_why else WARN
            why = camera.withheld_why or 'some were missing or damaged; now pictures come again'
            found.append((level, f'{withheld} video packet(s) gave no picture: {why}'))
        if not is_silent and camera.rate.gap_share() > GAPS_TO_WARN:
            camera_hz, received_hz = camera.rate.camera_hz() or 0.0, camera.rate.received_hz(now_s)
            found.append(
                (
                    WARN,
                    f'frames are missing: by its stamps the camera runs at {camera_hz:.1f} Hz, but '
                    f'{received_hz:.1f} Hz arrive; unless the driver skips frames, {REMEDY}',
                )
            )
        return found

    def _answer_problems(
        self, now_s: float, camera: CameraHealth, image_note: str
    ) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        counts, reported = self._counts, self._reported
        unanswered_s = now_s - self._answered_s
        if bad := counts.bad - reported.bad:
            level = ERROR if self._last_was_bad else WARN
            found.append((level, f'{bad} bad frame(s), the last: {self._error}'))
        elif now_s - camera.received_s <= self.rate.stale_after_s < unanswered_s:
            found.append((ERROR, f'images arrive but none was answered for {unanswered_s:.1f} s'))
        if unsure := counts.unsure - reported.unsure:
            last = f'the last: {self._last_unsure}'
            found.append((WARN, f'{unsure} answer(s) below min_confidence, {last}'))
        if blind := counts.blind - reported.blind:
            last = f'the last with {self._last_blind}, below blind_below_contrast'
            why = image_note or 'lens covered, shutter closed, or darkness?'
            level = ERROR if self._is_blind else WARN
            found.append((level, f'the camera sees nothing in {blind} frame(s), {last}: {why}'))
        elif image_note:
            found.append((WARN, image_note))
        waited = counts.waited - reported.waited
        if waited or counts.stalls > reported.stalls:
            since = f'this process stalled for {self._stall_s:.1f} s'
            found.append((WARN, f'{since}; {waited} answer(s) are ignored for the rate'))
        offset_s = self._mismatch_s
        text = useless(camera.stamps.fault) or ('' if offset_s is None else mismatch(offset_s))
        if text:
            floor = without_age(self.rate)
            found.append((WARN, f'{text}; {floor}' if floor else text))
        return found

    def _values(self, now_s: float, camera: CameraHealth, drops: int) -> dict[str, str]:
        counts, camera_hz = self._counts, camera.rate.camera_hz()
        return {
            'received': str(camera.received),
            'answered': str(counts.answered),
            'unsure': str(counts.unsure),
            'dropped': str(drops),
            'bad': str(counts.bad),
            'lost_in_transport': str(camera.lost),
            'withheld': str(camera.withheld),
            'receive_hz': f'{camera.rate.received_hz(now_s):.2f}',
            'camera_hz': 'unknown' if camera_hz is None else f'{camera_hz:.2f}',
            'inference_ms_p50': _percentile(self._inference_ms, 50),
            'inference_ms_p99': _percentile(self._inference_ms, 99),
            'age_ms_p50': _percentile(self._age_ms, 50),
            'age_ms_p99': _percentile(self._age_ms, 99),
            'hold_ups': str(counts.stalls),
            'blind': str(counts.blind),
            'contrast': 'unknown' if self._contrast is None else f'{self._contrast:.2f}',
            'repeated_frames': str(camera.repeats),
            'last_error': self._error,
            **{f'exit_layer_{layer}': str(n) for layer, n in sorted(self._exits.items())},
        }


def _provider_problems(facts: Mapping[str, str]) -> list[tuple[int, str]]:
    """Return a warning where a faster provider is installed but does not run the model."""
    if not (note := facts.get('provider_note')):
        return []
    here = facts.get('provider', '')
    remedy = f"fix it and configure the node again, or set provider to '{here}' to silence this"
    return [(WARN, f'computing on {here}, not on the best provider: {note}: {remedy}')]


def _percentile(values: deque[float], percent: float) -> str:
    return f'{np.percentile(values, percent):.2f}' if values else 'unknown'
