"""The drive as a short film: what the camera sees, network depth, signs read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from drive.journey import STEP_S
from drive.policy import CONSTANT, OURS
from drive.report.figures import COLOURS
from drive.robot import TOP_SPEED_MPS, Robot
from drive.scene.camera import frame_noise, photograph
from drive.scene.pictures import read_pictures
from drive.scene.world import LENGTH_M, World
from eevit_ros.reporting.style import DARK, GRID, INK, MUTED, RIGHT, WRONG

SIZE = (760, 344)  # px
CAMERA = 190  # px, side of the picture
MARGIN = 24  # px
ROWS = {OURS: 262, CONSTANT: 312}  # px from the top
EVERY_S = 0.4  # of the drive
FRAME_MS = 100  # so that it runs at four times the speed
HOLD_MS = 2500  # of the last frame

Run = Mapping[str, Any]


def write_film(path: Path, world: World, runs: Mapping[str, Run]) -> None:
    """Write an animated WebP of ours and of the same time at constant speed.

    Args:
        path: File to write.
        world: The path.
        runs: One result by policy, all of this path.
    """
    places = {OURS: _track(runs[OURS]), CONSTANT: _at_constant_speed(runs[CONSTANT]['speed_mps'])}
    scene = _Scene(world, runs)
    end_s = max(float(times[-1]) for times, _ in places.values())
    frames = [
        scene.draw(
            time_s, {policy: float(np.interp(time_s, *track)) for policy, track in places.items()}
        )
        for time_s in np.arange(0, end_s + EVERY_S, EVERY_S)
    ]
    durations = [FRAME_MS] * (len(frames) - 1) + [HOLD_MS]
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=60
    )


class _Scene:
    """Draws one moment of the film."""

    def __init__(self, world: World, runs: Mapping[str, Run]) -> None:
        self._world = world
        self._runs = runs
        self._frames = runs[OURS]['frames']
        self._times = np.array([frame['time_s'] for frame in self._frames])
        fonts = Path(matplotlib.get_data_path(), 'fonts', 'ttf')
        self._font = ImageFont.truetype(str(fonts / 'DejaVuSans.ttf'), 13)
        self._bold = ImageFont.truetype(str(fonts / 'DejaVuSans-Bold.ttf'), 15)
        self._empty = Image.new('RGB', SIZE, 'white')
        self._draw_light(ImageDraw.Draw(self._empty))

    def draw(self, time_s: float, places: Mapping[str, float]) -> Image.Image:
        """Return the picture of a moment; `places` are those of the two robots."""
        image = self._empty.copy()
        canvas = ImageDraw.Draw(image)
        frame = self._frames[max(0, int(np.searchsorted(self._times, time_s, 'right')) - 1)]
        image.paste(self._photograph(frame), (MARGIN, MARGIN))
        self._draw_answer(canvas, frame, time_s)
        for policy, place_m in places.items():
            self._draw_row(canvas, policy, place_m)
        return image

    def _draw_light(self, canvas: ImageDraw.ImageDraw) -> None:
        for x in range(MARGIN, SIZE[0] - MARGIN):
            dark = self._world.darkness(_place(x))
            grey = round(250 - 165 * dark)
            canvas.line([(x, ROWS[OURS] - 20), (x, ROWS[CONSTANT] + 20)], fill=(grey, grey, grey))

    def _photograph(self, frame: Mapping[str, Any]) -> Image.Image:
        view = self._world.view(frame['place_m'])
        noise = frame_noise(self._world.seed, frame['place_m'], frame['number'])
        pixels = photograph(read_pictures()[view.picture].pixels, view, noise)
        return Image.fromarray(pixels).resize((CAMERA, CAMERA), Image.Resampling.NEAREST)

    def _draw_answer(
        self, canvas: ImageDraw.ImageDraw, frame: Mapping[str, Any], time_s: float
    ) -> None:
        left = MARGIN + CAMERA + 24
        sign = frame['sign'] is not None
        colour = (RIGHT if frame['right'] else WRONG) if sign else MUTED
        what = 'a sign: ' if sign else 'scenery: '
        canvas.text((left, 26), what + _name(frame['label']), INK, self._bold)
        if sign:
            truth = read_pictures()[frame['picture']].label
            text = 'right' if frame['right'] else f'wrong, it is {_name(truth)}'
            canvas.text((left, 48), text, colour, self._font)
            box = [MARGIN - 4, MARGIN - 4, MARGIN + CAMERA + 3, MARGIN + CAMERA + 3]
            canvas.rectangle(box, outline=colour, width=4)
        self._draw_bar(canvas, 84, 'depth', frame['depth'], DARK)
        self._draw_bar(canvas, 124, 'speed', frame['speed_mps'] / TOP_SPEED_MPS, COLOURS[OURS])
        speed = f'{frame["speed_mps"]:.1f} m/s      {time_s:4.1f} s'
        canvas.text((left, 176), speed, INK, self._font)

    def _draw_bar(
        self, canvas: ImageDraw.ImageDraw, top: int, name: str, share: float, colour: str
    ) -> None:
        left, right = MARGIN + CAMERA + 84, SIZE[0] - MARGIN
        canvas.text((left - 60, top + 3), name, MUTED, self._font)
        canvas.rectangle([left, top, right, top + 22], fill=GRID)
        canvas.rectangle([left, top, left + (right - left) * share, top + 22], fill=colour)

    def _draw_row(self, canvas: ImageDraw.ImageDraw, policy: str, place_m: float) -> None:
        y, colour = ROWS[policy], COLOURS[policy]
        canvas.line([(MARGIN, y), (SIZE[0] - MARGIN, y)], fill='white', width=2)
        missed = 0
        for sign in self._runs[policy]['signs']:
            # Read where the second right answer came; missed for good when it is passed.
            is_read = sign['read_m'] is not None and place_m >= sign['place_m'] - sign['read_m']
            is_missed = sign['read_m'] is None and place_m >= sign['place_m']
            missed += is_missed
            fill = RIGHT if is_read else WRONG if is_missed else 'white'
            x = _x(sign['place_m'])
            canvas.rectangle([x - 5, y - 14, x + 5, y - 4], fill=fill, outline=INK)
        x = _x(min(place_m, LENGTH_M))
        canvas.ellipse([x - 8, y - 8, x + 8, y + 8], fill=colour, outline='white', width=2)
        text = f'{policy}: {missed} missed'
        canvas.text((MARGIN + 4, y + 3), text, 'white', self._font, stroke_width=2, stroke_fill=INK)


def _track(run: Run) -> tuple[list[float], list[float]]:
    return [sample[0] for sample in run['track']], [sample[1] for sample in run['track']]


def _at_constant_speed(speed_mps: float) -> tuple[list[float], list[float]]:
    robot = Robot()
    times, places = [0.0], [0.0]
    while robot.place_m < LENGTH_M:
        robot.step(speed_mps, STEP_S)
        times.append(times[-1] + STEP_S)
        places.append(robot.place_m)
    return times, places


def _x(place_m: float) -> float:
    return MARGIN + (SIZE[0] - 2 * MARGIN) * place_m / LENGTH_M


def _place(x: float) -> float:
    return (x - MARGIN) * LENGTH_M / (SIZE[0] - 2 * MARGIN)


def _name(label: str) -> str:
    return label.replace('_', ' ')
