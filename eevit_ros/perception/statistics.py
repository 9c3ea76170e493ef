"""What the node counts, and what it says about itself once a second. Plain Python, no ROS types."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eevit_ros.model.engine import ExitResult
from eevit_ros.perception.camera_rate import CameraRate
from eevit_ros.perception.frame_age import MISMATCH, OLDEST_MS
from eevit_ros.perception.status import ERROR, OK, WARN, Report
from eevit_ros.speed.rate import RateSettings

LATENCIES = 300
GAPS_TO_WARN = 0.3
"""Share of the intervals between stamps that lack a frame."""

REMEDY = 'with Fast DDS give the camera driver config/fastdds_shared_memory.xml'


@dataclass(frozen=True)
class Publishers:
    """Who publishes on the image topic, as the middleware's graph shows it."""

    topic: str
    count: int = 0
    unheard: str = ''
    """Whom the subscription cannot hear, and why; '' if there is nobody."""

    def silence(self) -> str:
        """Why no image may come."""
        if self.count == 0:
            return "nobody publishes there: check the camera and the remapping of 'image'"
        return self.left_out() if self.unheard else f'{self.count} publisher(s) there are silent'

    def left_out(self) -> str:
        """Who is not heard, and the remedy."""
        return (
            f"{self.unheard}: check the remapping of 'image', the parameter image_transport, and "
            f'QoS there or here (parameters qos_overrides.{self.topic}.subscription.*)'
        )


class Statistics:
    """Counts what happens since activation. Written from two threads, hence the lock.

    All times are seconds on the steady clock, given by the caller.
    """

    def __init__(self, started_s: float, rate: RateSettings) -> None:
        """Start counting at `started_s`; `rate` says what is stale and what is unsure."""
        self.rate = rate
        self._lock = threading.Lock()
        self._camera = CameraRate()
        self._repeats = 0
        self._frozen = False
        self._received = self._answered = self._unsure = self._bad = self._lost = self._blind = 0
        self._hold_ups = self._waited = 0
        self._held_up_s = 0.0
        self._received_s = self._answered_s = started_s
        self._error = self._last_unsure = self._last_blind = ''
        self._last_was_bad = False
        self._clock_mismatch = False
        self._contrast: float | None = None
        self._is_blind = False
        self._exits: Counter[int] = Counter()
        self._inference_ms: deque[float] = deque(maxlen=LATENCIES)
        self._age_ms: deque[float] = deque(maxlen=LATENCIES)
        self._reported = _Reported()

    def received(self, stamp_ns: int, now_s: float, *, repeats: int, frozen: bool) -> None:
        """A frame came in; `repeats` and `frozen` are what `FrozenCamera` said of it."""
        with self._lock:
            self._received += 1
            self._received_s = now_s
            self._repeats, self._frozen = repeats, frozen
            self._camera.see(stamp_ns, now_s)

    def answered(self, result: ExitResult, age_ms: float | None, now_s: float) -> None:
        """A frame was answered; an age of None is a clock mismatch."""
        with self._lock:
            self._answered += 1
            self._answered_s = now_s
            self._last_was_bad = False
            self._exits[result.exit_layer] += 1
            if result.confidence < self.rate.min_confidence:
                self._unsure += 1
                self._last_unsure = f'{result.class_name!r} {result.confidence:.2f}'
            self._inference_ms.append(result.inference_ms)
            self._clock_mismatch = age_ms is None
            if age_ms is not None:
                self._age_ms.append(age_ms)

    def saw(self, contrast: float, *, blind: bool) -> None:
        """An answered frame had this contrast, and too little of it where `blind`."""
        with self._lock:
            self._contrast, self._is_blind = contrast, blind
            if blind:
                self._blind += 1
                self._last_blind = f'contrast {contrast:.1f}'

    def held_up(self, seconds: float) -> None:
        """This process did not run for so long."""
        with self._lock:
            self._hold_ups += 1
            self._held_up_s = seconds

    def waited(self) -> None:
        """An answered frame may have waited for the end of a hold-up."""
        with self._lock:
            self._waited += 1

    def bad_frame(self, error: str) -> None:
        """A frame could not be answered."""
        with self._lock:
            self._bad += 1
            self._error = error
            self._last_was_bad = True

    def lost(self, messages: int) -> None:
        """The middleware says that it lost messages on their way here."""
        with self._lock:
            self._lost += messages

    def report(
        self,
        now_s: float,
        *,
        publishers: Publishers,
        drops: int,
        facts: Mapping[str, str],
    ) -> Report:
        """Say how it goes, judging by what happened since the last report.

        Args:
            now_s: Steady clock, seconds.
            publishers: Who publishes on the image topic.
            drops: Frames replaced in the slot by newer ones.
            facts: Further values to hand on (model, provider, ...). A `provider_note` among them
                is a problem, too.

        Returns:
            The status; its message holds every problem found, its level is the worst one's.
        """
        with self._lock:
            problems = [*self._problems(now_s, publishers), *_slower(facts)]
            values = self._values(now_s, drops)
            answers = self._answered - self._reported.answered
            self._reported = _Reported(
                self._answered,
                self._unsure,
                self._bad,
                self._lost,
                self._blind,
                self._hold_ups,
                self._waited,
            )
        message = '; '.join(text for _, text in problems) or f'{answers} frames answered'
        level = max((level for level, _ in problems), default=OK)
        topic = {'image_topic': publishers.topic, 'image_publishers': str(publishers.count)}
        return Report(level, message, {**values, **topic, **facts})

    def _problems(self, now_s: float, publishers: Publishers) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        silent_s, unanswered_s = now_s - self._received_s, now_s - self._answered_s
        if silent_s > self.rate.stale_after_s:
            since = f'no image on {publishers.topic} for {silent_s:.1f} s'
            found.append((ERROR, f'{since}: {publishers.silence()}'))
        elif publishers.unheard:
            found.append((WARN, f'a publisher is left out: {publishers.left_out()}'))
        if bad := self._bad - self._reported.bad:
            level = ERROR if self._last_was_bad else WARN
            found.append((level, f'{bad} bad frame(s), the last: {self._error}'))
        elif silent_s <= self.rate.stale_after_s < unanswered_s:
            found.append((ERROR, f'images come in but none was answered for {unanswered_s:.1f} s'))
        if unsure := self._unsure - self._reported.unsure:
            last = f'the last: {self._last_unsure}'
            found.append((WARN, f'{unsure} answer(s) below min_confidence, {last}'))
        if self._frozen:
            found.append((ERROR, f'camera frozen: the same frame came {self._repeats + 1} times'))
        if blind := self._blind - self._reported.blind:
            last = f'the last of {self._last_blind}, below blind_below_contrast'
            why = 'lens covered, shutter closed, or darkness?'
            level = ERROR if self._is_blind else WARN
            found.append((level, f'the camera sees nothing in {blind} frame(s), {last}: {why}'))
        waited = self._waited - self._reported.waited
        if waited or self._hold_ups > self._reported.hold_ups:
            since = f'this process was held up for {self._held_up_s:.1f} s'
            found.append((WARN, f'{since}; {waited} answer(s) do not count'))
        if lost := self._lost - self._reported.lost:
            found.append((WARN, f'the middleware lost {lost} image message(s): {REMEDY}'))
        if silent_s <= self.rate.stale_after_s and self._camera.gap_share() > GAPS_TO_WARN:
            found.append((WARN, self._slow(now_s)))
        if self._clock_mismatch:
            limits = f'zero, in the future or older than {OLDEST_MS / 1e3:g} s'
            found.append((WARN, f'{MISMATCH}: image stamps are {limits}'))
        return found

    def _slow(self, now_s: float) -> str:
        camera_hz = self._camera.camera_hz() or 0.0
        return (
            f'frames are missing: the stamps are those of a {camera_hz:.1f} Hz camera, '
            f'{self._camera.received_hz(now_s):.1f} Hz arrive; unless the driver skips them, '
            f'{REMEDY}'
        )

    def _values(self, now_s: float, drops: int) -> dict[str, str]:
        camera_hz = self._camera.camera_hz()
        return {
            'received': str(self._received),
            'answered': str(self._answered),
            'unsure': str(self._unsure),
            'dropped': str(drops),
            'bad': str(self._bad),
            'lost_in_transport': str(self._lost),
            'receive_hz': f'{self._camera.received_hz(now_s):.2f}',
            'camera_hz': 'unknown' if camera_hz is None else f'{camera_hz:.2f}',
            'inference_ms_p50': _percentile(self._inference_ms, 50),
            'inference_ms_p99': _percentile(self._inference_ms, 99),
            'age_ms_p50': _percentile(self._age_ms, 50),
            'age_ms_p99': _percentile(self._age_ms, 99),
            'hold_ups': str(self._hold_ups),
            'blind': str(self._blind),
            'contrast': 'unknown' if self._contrast is None else f'{self._contrast:.2f}',
            'repeated_frames': str(self._repeats),
            'last_error': self._error,
            **{f'exit_layer_{layer}': str(n) for layer, n in sorted(self._exits.items())},
        }


@dataclass(frozen=True)
class _Reported:
    """Counters at the time of the last report."""

    answered: int = 0
    unsure: int = 0
    bad: int = 0
    lost: int = 0
    blind: int = 0
    hold_ups: int = 0
    waited: int = 0


def _slower(facts: Mapping[str, str]) -> list[tuple[int, str]]:
    """Complain of a faster provider that does not run the model."""
    if not (note := facts.get('provider_note')):
        return []
    here = facts.get('provider', '')
    remedy = f"mend it and configure the node again, or set provider to '{here}' if that is meant"
    return [(WARN, f'computing on {here}, not on the best provider: {note}: {remedy}')]


def _percentile(values: Sequence[float] | deque[float], percent: float) -> str:
    return f'{np.percentile(values, percent):.2f}' if values else 'unknown'
