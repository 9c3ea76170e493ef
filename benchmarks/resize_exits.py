"""How many frames leave elsewhere because they are not shrunk by INTER_AREA in one go.

    python -m benchmarks.resize_exits MODEL.onnx --data CIFAR100 --video FILE

CIFAR-100's test images and the frames of a video, made squares of three sizes, as pixels and as
JPEG: decoded and resized as the node does it. Writes JSON and Markdown, and the Markdown between
the comments `resize_exits` of a document.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.report_file import Cell, Report, Table, add_options, machine
from eevit_ros.images.compressed import decode_compressed
from eevit_ros.images.resize import Image, resize
from eevit_ros.model.engine import Engine
from eevit_ros.recordings.open import open_source
from model_export.data import load_split

HEIGHTS = (480, 1080, 2160)
QUALITY = 90
COLUMNS = ('frames', 'as', 'how many', 'other pixels, %', 'other exit, %', 'other label, %')


def enlarged(image: Image, height: int) -> Image:
    """Return a frame's centre, a square of `height`."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    centre = np.ascontiguousarray(image[top : top + side, left : left + side])
    size = (height, height)
    return np.asarray(cv2.resize(centre, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def pairs(image: Image, engine: Engine) -> Iterator[tuple[Image, Image]]:
    """Yield the model's input from a square, as it is and as JPEG: by INTER_AREA and as we do."""
    target = engine.input_size
    size = target.height, target.width

    def in_one_go(whole: Image) -> Image:
        small = cv2.resize(np.ascontiguousarray(whole), size[::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)

    yield in_one_go(image), resize(image, *size, target.rule)
    bgr = image[:, :, ::-1]
    jpeg = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    reduced = decode_compressed(jpeg, 'jpeg', target)
    yield in_one_go(decode_compressed(jpeg, 'jpeg')), resize(reduced, *size, target.rule)


def differences(exact: Image, fast: Image, engine: Engine) -> tuple[float, float, float]:
    """Return the share of pixels that differ, and whether exit and label do."""
    if np.array_equal(exact, fast):
        return 0.0, 0.0, 0.0
    one, other = engine.run(exact), engine.run(fast)
    return (
        float((exact != fast).mean()),
        float(one.exit_layer != other.exit_layer),
        float(one.class_index != other.class_index),
    )


def compare(name: str, images: list[Image], engine: Engine) -> list[list[Cell]]:
    """Return the rows of a set of images."""
    rows: list[list[Cell]] = []
    for height in HEIGHTS:
        found = [
            [differences(*pair, engine) for pair in pairs(enlarged(image, height), engine)]
            for image in tqdm(images, f'{name} {height}')
        ]
        for kind, shares in zip(('pixels', 'JPEG'), np.mean(found, axis=0) * 100, strict=True):
            rows.append([f'{name}, {height}x{height}', kind, len(images), *map(float, shares)])
    return rows


def video_frames(path: Path) -> list[Image]:
    """Return all frames of a video."""
    return [frame.decode() for frame in open_source(path, None)]


def main() -> None:
    """Compare and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('model', type=Path, help='an exported .onnx file')
    parser.add_argument('--data', type=Path, required=True, help='folder with CIFAR-100')
    parser.add_argument('--video', type=Path, required=True)
    parser.add_argument('--images', type=int, default=10_000, help='test images (default all)')
    add_options(parser, 'resize_exits')
    args = parser.parse_args()
    computer = machine()
    engine = Engine(args.model)
    frames = video_frames(args.video)
    images = list(load_split(args.data, 'test', 32).spread(args.images).images)
    rows = compare('CIFAR-100', images, engine) + compare(args.video.stem, frames, engine)
    report = Report(
        'Exits changed by fast resizing',
        computer,
        [Table('Against INTER_AREA in one step', COLUMNS, rows)],
        (f'Images enlarged by INTER_CUBIC from the size in the data; JPEG at quality {QUALITY}.',),
    )
    report.deliver(args, 'resize_exits')


if __name__ == '__main__':
    main()
