"""One drive along a path in steps of 1/60 s: camera, robot and book-keeping on one clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from drive.robot import Robot
from drive.scene.signs import SignLog
from drive.scene.world import View, World

STEP_S = 1 / 60
CAMERA_STEPS = 4  # a frame every 1/15 s
CONTROL_STEPS = 3  # navigation's controller looks at its limit every 1/20 s, Nav2's default
FRAME_INTERVAL_S = CAMERA_STEPS * STEP_S


@dataclass(frozen=True)
class Answer:
    """What the classifier node said of one frame.

    Attributes:
        label: Name of the class.
        depth: Share of the layers that ran, 0..1.
        confidence: Probability of the answer, 0..1.
        age_s: From the frame's stamp to the answer.
    """

    label: str
    depth: float
    confidence: float
    age_s: float


@dataclass(frozen=True)
class Frame:
    """One frame of the camera: when, where, and what it shows."""

    number: int
    time_s: float
    place_m: float
    speed_mps: float
    view: View


class Journey:
    """A robot on the path of one seed, from rest at its start to its end.

    Attributes:
        robot: Where it is, how fast it drives.
        time_s: Since the start.
        answers: Frames and what was said of them, in the order of arrival.
    """

    def __init__(self, world: World, labels: Callable[[int], str]) -> None:
        """Stand at the start; `labels` tells what the picture of a number shows."""
        self.world = world
        self.robot = Robot()
        self.answers: list[tuple[Frame, Answer]] = []
        self._labels = labels
        self._steps = 0
        self._log = SignLog(world.signs, FRAME_INTERVAL_S)

    @property
    def time_s(self) -> float:
        """Seconds since the start."""
        return self._steps * STEP_S

    @property
    def is_over(self) -> bool:
        """Whether the end of the path is reached."""
        return self.robot.place_m >= self.world.length_m

    @property
    def is_control_due(self) -> bool:
        """Whether the controller looks at its limit before this step."""
        return self._steps % CONTROL_STEPS == 0

    def frame(self) -> Frame | None:
        """Return the frame that the camera takes before this step, if one is due."""
        if self._steps % CAMERA_STEPS:
            return None
        place_m = self.robot.place_m
        number = self._steps // CAMERA_STEPS
        view = self.world.view(place_m)
        return Frame(number, self.time_s, place_m, self.robot.speed_mps, view)

    def is_open(self, frame: Frame) -> bool:
        """Whether an answer to this frame still matters to a sign."""
        return frame.view.sign is not None and not self._log.is_decided(frame.view.sign)

    def answer(self, frame: Frame, answer: Answer) -> bool:
        """Take an answer as it arrives and return whether it is right."""
        self.answers.append((frame, answer))
        is_right = answer.label == self._labels(frame.view.picture)
        self._log.answer(frame.view.sign, is_right, answer.age_s)
        return is_right

    def step(self, desired_mps: float) -> None:
        """Drive on for one step."""
        self.robot.step(desired_mps, STEP_S)
        self._steps += 1
        self._log.drive(self.robot.place_m, self.robot.speed_mps)

    def signs(self) -> list[dict[str, Any]]:
        """Return what became of each sign, for the report."""
        return [
            {
                'place_m': round(sign.place_m, 2),
                'picture': sign.picture,
                'label': self._labels(sign.picture),
                **asdict(outcome),
            }
            for sign, outcome in zip(self.world.signs, self._log.outcomes(), strict=True)
        ]


def drive_at_constant_speed(
    journey: Journey, speed_mps: float, ask: Callable[[Frame], Answer]
) -> None:
    """Drive to the end with one desired speed, on a simulated clock.

    Answers change nothing but the book of signs here, so only frames of signs that are still open
    are asked about; an answer arrives as late as it was measured to be.

    Args:
        journey: At its start.
        speed_mps: To drive at, once the acceleration allows.
        ask: Returns the classifier's answer to a frame.
    """
    waiting: list[tuple[float, Frame, Answer]] = []
    while not journey.is_over:
        while waiting and waiting[0][0] <= journey.time_s:
            journey.answer(*waiting.pop(0)[1:])
        frame = journey.frame()
        if frame is not None and journey.is_open(frame):
            answer = ask(frame)
            waiting.append((frame.time_s + answer.age_s, frame, answer))
        journey.step(speed_mps)
