"""Which of two governors speaks, whatever happens to either: simulated look by look."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.nodes.governor.turn import LOOK_S, SECOND_MEETING_S, Turn

TAKEOVER_S = 0.3
PATIENCE = round(TAKEOVER_S / LOOK_S)
# Settling after a stall, meeting, patience of both: by then all is decided.
DECIDED = round(SECOND_MEETING_S / LOOK_S) + 4 * PATIENCE + 10


@dataclass
class Side:
    """One process: whether it runs, and what the other last heard of it."""

    is_first: bool
    turn: Turn | None = None  # None: killed
    is_stopped: bool = False
    beat: bool | None = None  # on its way
    spoke: bool = False  # at this look
    floors: int = 0

    def start(self, now_s: float) -> None:
        self.turn = Turn(is_first=self.is_first, takeover_after_s=TAKEOVER_S, now_s=now_s)


@dataclass
class Pair:
    """Both processes and the time."""

    now_s: float = 100.0
    sides: list[Side] = field(default_factory=lambda: [Side(True), Side(False)])
    is_connected: bool = True

    def look(self) -> list[bool]:
        """Let a look's time pass; return who spoke."""
        self.now_s += LOOK_S
        for side, other in (self.sides, self.sides[::-1]):
            side.spoke = False
            if side.turn is None or side.is_stopped:
                continue
            if self.is_connected and other.beat is not None:
                side.turn.hear(other.beat, self.now_s)
            other.beat = None
            side.floors += side.turn.look(self.now_s)
            side.spoke = side.turn.may_speak(self.now_s)
            side.beat = side.turn.speaks
        return [side.spoke for side in self.sides]

    def looks(self, number: int) -> list[list[bool]]:
        return [self.look() for _ in range(number)]

    def until_one_speaks(self) -> tuple[Side, Side]:
        """Return who speaks in the end, and the other."""
        assert sum(self.looks(DECIDED)[-1]) == 1
        first, second = self.sides
        return (first, second) if first.spoke else (second, first)


def started() -> Pair:
    pair = Pair()
    for side in pair.sides:
        side.start(pair.now_s)
    return pair


def test_of_two_that_start_the_first_speaks_at_once() -> None:
    pair = started()
    assert not any(second for _, second in pair.looks(DECIDED))
    assert pair.sides[0].spoke
    pair = started()
    assert any(first for first, _ in pair.looks(3))


def test_the_second_leaves_the_word_to_a_first_that_starts_later() -> None:
    for later in range(1, 3 * PATIENCE):
        pair = Pair()
        pair.sides[1].start(pair.now_s)
        pair.looks(later)
        pair.sides[0].start(pair.now_s)
        assert not any(second for _, second in pair.looks(DECIDED))
        assert pair.sides[0].spoke


def test_the_other_takes_over_in_time_and_keeps_the_word() -> None:
    pair = started()
    for _ in range(3):
        speaker, other = pair.until_one_speaks()
        speaker.turn = None
        pair.looks(PATIENCE + 1)
        assert other.spoke
        speaker.start(pair.now_s)
        floors = other.floors
        assert pair.until_one_speaks() == (other, speaker)
        assert other.floors == floors  # nobody noticed


def test_one_that_was_stopped_says_the_floor_and_no_more_when_it_goes_on() -> None:
    pair = started()
    speaker, other = pair.until_one_speaks()
    speaker.is_stopped = True
    pair.looks(2 * PATIENCE)
    assert other.spoke
    speaker.is_stopped = False
    assert speaker.turn is not None
    assert speaker.turn.speaks
    assert not speaker.turn.may_speak(pair.now_s + LOOK_S)  # before its next look, too
    floors = speaker.floors
    assert not any(speaker.spoke for _ in range(DECIDED) if pair.look())
    assert other.spoke
    assert speaker.floors == floors + 1


def test_one_alone_speaks_after_a_while() -> None:
    for alone in range(2):
        pair = Pair()
        pair.sides[alone].start(pair.now_s)
        assert pair.looks(DECIDED)[-1][alone]


def test_of_two_that_meet_late_one_says_the_floor_and_falls_silent() -> None:
    pair = started()
    pair.is_connected = False
    assert pair.looks(DECIDED)[-1] == [True, True]
    floors = [side.floors for side in pair.sides]
    pair.is_connected = True
    assert not all(pair.looks(2)[-1])
    _, silent = pair.until_one_speaks()
    assert silent.floors == floors[pair.sides.index(silent)] + 1


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(['kill', 'start', 'stop', 'go on', 'part', 'meet']),
        st.integers(0, 1),
        st.integers(0, 3 * PATIENCE),
    ),
    max_size=12,
)


@given(EVENTS)
def test_whatever_happened_in_the_end_one_speaks_and_goes_on(
    events: list[tuple[str, int, int]],
) -> None:
    pair = started()
    for what, which, looks in events:
        side = pair.sides[which]
        if what == 'kill':
            side.turn, side.is_stopped = None, False
        elif what == 'start' and side.turn is None:
            side.start(pair.now_s)
        elif what in ('stop', 'go on'):
            side.is_stopped = what == 'stop'
        elif what in ('part', 'meet'):
            pair.is_connected = what == 'meet'
        both = 0
        for spoke in pair.looks(looks):
            # Two voices are heard for two looks at most, once they hear each other.
            both = both + 1 if all(spoke) and pair.is_connected else 0
            assert both <= 2
    pair.is_connected = True
    for side in pair.sides:
        side.is_stopped = False
        if side.turn is None:
            side.start(pair.now_s)
    speaker, other = pair.until_one_speaks()
    assert pair.looks(DECIDED) == [[one is speaker for one in pair.sides]] * DECIDED
    assert not other.spoke
