"""How often the test of distribution shift fires: on test images, on spoilt ones, on a video.

    python -m benchmarks.distribution_shift MODEL.onnx --data DATA [--video FILE]

Test images are as those of the calibration, so what fires there is a false alarm. They are drawn
ten times in random order; the frames of the video come in theirs, each one taken.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.perception.shift import ShiftMonitor, ShiftSettings
from eevit_ros.recordings.open import open_source
from model_export.data import check_classes, load_split
from model_export.errors import ModelExportError

WINDOWS = (50, 100, 200)
ORDERS = 10
SPOILT_IMAGES = 2000

Answers = list[tuple[int, float]]  # exit index, confidence


def darkened(image: Image, rng: np.random.Generator) -> Image:
    """Return the image at a quarter of the pixel values."""
    return np.asarray(image // 4, np.uint8)


def blurred(image: Image, rng: np.random.Generator) -> Image:
    """Return the image blurred by 3 % of its side."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.03 * image.shape[0]), np.uint8)


def noisy(image: Image, rng: np.random.Generator) -> Image:
    """Return the image with noise of deviation 15."""
    return np.clip(image + rng.normal(0, 15, image.shape), 0, 255).astype(np.uint8)


SPOILERS: dict[str, Callable[[Image, np.random.Generator], Image]] = {
    'at a quarter of the brightness': darkened,
    'blurred': blurred,
    'with noise': noisy,
}


def answer(engine: Engine, images: list[Image], name: str) -> Answers:
    """Run the images through the model."""
    results = [engine.run(image) for image in tqdm(images, name)]
    return [(result.exit_index, result.confidence) for result in results]


def alarms_by_window(engine: Engine, series: list[Answers]) -> dict[int, tuple[int, int]]:
    """Return how many of how many windows fire, by the size of the windows."""
    found: dict[int, tuple[int, int]] = {}
    for window in WINDOWS:
        settings = ShiftSettings(window=window, every_s=0.0)
        each = [alarms(engine, settings, answers) for answers in series]
        found[window] = (sum(shifted for shifted, _ in each), sum(count for _, count in each))
    return found


def alarms(engine: Engine, settings: ShiftSettings, answers: Answers) -> tuple[int, int]:
    """Return how many of how many windows of these answers are called shifted."""
    shifted = count = 0
    for first in range(0, len(answers) - settings.window + 1, settings.window):
        monitor = ShiftMonitor(settings, engine.metadata, engine.thresholds)
        if monitor.why_not:
            raise EevitError(monitor.state)
        for exit_index, confidence in answers[first : first + settings.window]:
            monitor.answer(exit_index, confidence, 0.0)
        assert monitor.last
        shifted += monitor.last.shifted
        count += 1
    return shifted, count


def frames(video: Path) -> list[Image]:
    """Return the frames of a video, RGB."""
    return [frame.decode() for frame in open_source(video, None)]


def measure(model: Path, data: Path, video: Path | None) -> dict[str, dict[int, tuple[int, int]]]:
    """Return how many of how many windows fire, by what was looked at and window."""
    engine = Engine(
        model, compute=Compute(provider='cpu', threads=1)
    )  # untimed: leave the other cores alone
    test = load_split(data, 'test', engine.metadata.input_height)
    check_classes(test, engine.metadata.class_names, data)
    rng = np.random.default_rng(0)
    looked_at = {'test images': answer(engine, list(test.images), 'test images')}
    some = test.spread(SPOILT_IMAGES).images
    for name, spoil in SPOILERS.items():
        looked_at[name] = answer(engine, [spoil(image, rng) for image in some], name)

    figures: dict[str, dict[int, tuple[int, int]]] = {}
    for name, answers in looked_at.items():
        orders = [rng.permutation(len(answers)) for _ in range(ORDERS)]
        shuffled = [[answers[index] for index in order] for order in orders]
        figures[name] = alarms_by_window(engine, shuffled)
    if video:
        filmed = answer(engine, frames(video), video.name)
        figures[video.name] = alarms_by_window(engine, [filmed])
    return figures


def main() -> int:
    """Measure, print a table, write JSON; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('model', type=Path, help='an exported .onnx file')
    parser.add_argument('--data', type=Path, required=True, help='folder with the data set')
    parser.add_argument('--video', type=Path, help='a video of something else')
    parser.add_argument('--out', type=Path, default=Path('build/distribution_shift.json'))
    args = parser.parse_args()
    try:
        figures = measure(args.model, args.data, args.video)
    except (ModelExportError, EevitError, OSError) as err:
        print(f'error: {err}', file=sys.stderr)
        return 1
    print('| images | ' + ' | '.join(f'windows of {window}' for window in WINDOWS) + ' |')
    print('|---' * (1 + len(WINDOWS)) + '|')
    for name, row in figures.items():
        cells = (f'{shifted} of {count}' for shifted, count in row.values())
        print(f'| {name} | ' + ' | '.join(cells) + ' |')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(figures, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
