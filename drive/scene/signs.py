"""Which signs were read in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drive.robot import stopping_distance_m
from drive.scene.world import Sign

IN_A_ROW = 2  # correct answers that make a sign read


@dataclass(frozen=True)
class SignOutcome:
    """What became of a sign.

    Attributes:
        zone: Name of the light there.
        read_m: Distance at which it was read; None if it was missed.
        answers: Answers that came in time, up to the one that decided.
    """

    zone: str
    read_m: float | None
    answers: int


@dataclass
class _Sight:
    in_a_row: int = 0
    answers: int = 0
    read_m: float | None = None
    closed: bool = False


class SignLog:
    """Keeps track of signs: two correct answers in a row read a sign, else it is missed.

    They must have come before the robot is within its stopping distance of the sign; its reaction
    time is the age of the latest answer plus one frame interval.
    """

    def __init__(self, signs: Sequence[Sign], frame_interval_s: float) -> None:
        """Start with nothing seen."""
        self._signs = signs
        self._sights = [_Sight() for _ in signs]
        self._interval_s = frame_interval_s
        self._age_s = 0.0
        self._place_m = 0.0

    def answer(self, sign: int | None, is_right: bool, age_s: float) -> None:
        """Take an answer as it arrives; `sign` is the number of the sign in the picture."""
        self._age_s = age_s
        if sign is None:
            return
        sight = self._sights[sign]
        if sight.closed:
            return
        sight.answers += 1
        sight.in_a_row = sight.in_a_row + 1 if is_right else 0
        if sight.in_a_row == IN_A_ROW:
            sight.closed, sight.read_m = True, self._distance_m(sign)

    def drive(self, place_m: float, speed_mps: float) -> None:
        """Take the robot's new place and speed: signs that it can no longer stop for are missed."""
        self._place_m = place_m
        reach_m = stopping_distance_m(speed_mps, self._age_s + self._interval_s)
        for number, sight in enumerate(self._sights):
            if not sight.closed and self._distance_m(number) <= reach_m:
                sight.closed = True

    def is_decided(self, sign: int) -> bool:
        """Whether a sign was read or missed."""
        return self._sights[sign].closed

    def outcomes(self) -> list[SignOutcome]:
        """Return what became of each sign; those not yet decided count as missed."""
        return [
            SignOutcome(sign.zone, sight.read_m, sight.answers)
            for sign, sight in zip(self._signs, self._sights, strict=True)
        ]

    def _distance_m(self, sign: int) -> float:
        return self._signs[sign].place_m - self._place_m
