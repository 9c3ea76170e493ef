"""How much CPU time a frame takes from a message's bytes to the model's input, on this machine.

    python -m benchmarks.preprocessing [--json build/benchmarks/preprocessing.json]

Decoding: every supported encoding, a JPEG and a PNG. Resizing: `images.resize` beside INTER_AREA in
one go, which it replaces, and INTER_LINEAR without antialiasing. Rounds are interleaved, so that
load on the machine hits all alike.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from eevit_ros.images.compressed import decode_compressed
from eevit_ros.images.encodings import SUPPORTED_ENCODINGS
from eevit_ros.images.pixel_range import PixelRange
from eevit_ros.images.raw import decode_image
from eevit_ros.images.resize import Image, ResizeRule, resize

SIZES = [(480, 640), (720, 1280), (1080, 1920)]
INPUT_SIDES = [84, 224]
BYTES_OF_A_PIXEL = 32  # at most; shorter pixels take the rest as row padding


def scene(height: int, width: int) -> Image:
    """Return a smooth image with some noise, uint8 (height, width, 3), as a camera sees it."""
    y, x = np.mgrid[:height, :width]
    waves = np.dstack([np.sin(x / 90), np.cos(y / 70), np.sin((x + y) / 110)])
    noise = np.random.default_rng(0).normal(0, 4, waves.shape)
    return np.clip(127.5 + 110 * waves + noise, 0, 255).astype(np.uint8)


def decoders(image: Image) -> dict[str, Callable[[], Any]]:
    """Return what to time, by name."""
    height, width = image.shape[:2]
    step = width * BYTES_OF_A_PIXEL
    data = bytes(step * height * 3)
    message = {'height': height, 'width': width, 'step': step, 'values': PixelRange((0.0, 4095.0))}
    calls: dict[str, Callable[[], Any]] = {
        name: partial(decode_image, data, encoding=name, **message) for name in SUPPORTED_ENCODINGS
    }
    for kind in ('jpeg', 'png'):
        file = cv2.imencode(f'.{kind}', image)[1].tobytes()
        calls[kind] = partial(decode_compressed, file, kind)
    return calls


def resizers(image: Image, side: int) -> dict[str, Callable[[], Any]]:
    """Return what to time, by name; all take the centre crop."""
    height, width = image.shape[:2]
    left = (width - height) // 2
    crop = image[:, left : left + height]
    return {
        f'resize to {side}': partial(resize, image, side, side, ResizeRule()),
        f'INTER_AREA to {side}': partial(
            cv2.resize, crop, (side, side), interpolation=cv2.INTER_AREA
        ),
        f'aliased to {side}': partial(resize, image, side, side, ResizeRule(antialias=False)),
    }


def time_ms(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, float]]:
    """Return the median and the least CPU time of each call, of all threads, in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            times[name].append((time.process_time() - start) * 1e3)
    return {
        name: {'p50': statistics.median(seen[1:]), 'least': min(seen[1:])}
        for name, seen in times.items()
    }


def main() -> None:
    """Measure, print a table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=50)
    parser.add_argument('--json', type=Path, default=Path('build/benchmarks/preprocessing.json'))
    args = parser.parse_args()

    results = {}
    for height, width in SIZES:
        image = scene(height, width)
        calls = decoders(image)
        for side in INPUT_SIDES:
            calls |= resizers(image, side)
        results[f'{width}x{height}'] = time_ms(calls, args.rounds)

    print(f'{"ms, p50 (least)":22}' + ''.join(f'{size:>18}' for size in results))
    for name in next(iter(results.values())):
        cells = (f'{r[name]["p50"]:.3f} ({r[name]["least"]:.3f})' for r in results.values())
        print(f'{name:22}' + ''.join(f'{cell:>18}' for cell in cells))

    machine = {
        'processor': platform.processor() or platform.machine(),
        'opencv': cv2.__version__,
        'numpy': np.__version__,
        'threads': cv2.getNumThreads(),
    }
    args.json.parent.mkdir(parents=True, exist_ok=True)
    report = {'machine': machine, 'rounds': args.rounds, 'ms': results}
    args.json.write_text(json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    main()
