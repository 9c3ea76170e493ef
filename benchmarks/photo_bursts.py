"""A folder of photos for docs/my_first_model.md: test images of CIFAR-100, as one takes bursts.

    python -m benchmarks.photo_bursts --data CIFAR100 --scenes 80 --burst 2 --out PHOTOS

Each scene is a test image, enlarged, and the pictures of its burst are shifted and brightened a
little. The demo model knows the ten classes, but none of these images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from eevit_ros.images.resize import Image
from model_export.data import load_split

CLASSES = (
    'bottle', 'bowl', 'chair', 'clock', 'cup', 'keyboard', 'lamp', 'plate', 'telephone', 'wardrobe'
)  # fmt: skip
SIZE = 64
SHIFT_PX = 3
BRIGHTER = 0.1  # or darker, by this share at most
JPEG_QUALITY = 95


def main() -> None:
    """Write CLASS/IMG_0001.jpg and so on."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--scenes', type=int, required=True, help='of each class, 100 at most')
    parser.add_argument('--burst', type=int, required=True, help='pictures of each scene')
    parser.add_argument('--out', type=Path, required=True)
    args = parser.parse_args()
    if args.out.exists():
        parser.error(f'{args.out} exists: name another folder')
    dataset = load_split(args.data, 'test', SIZE)
    random = np.random.default_rng(0)
    for name in CLASSES:
        folder = args.out / name
        folder.mkdir(parents=True)
        of_class = np.flatnonzero(dataset.labels == dataset.class_names.index(name))
        pictures = (
            changed(dataset.images[scene], random)
            for scene in of_class[: args.scenes]
            for _ in range(args.burst)
        )
        for number, picture in enumerate(pictures, start=1):
            data = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
            (folder / f'IMG_{number:04}.jpg').write_bytes(data.tobytes())


def changed(image: Image, random: np.random.Generator) -> Image:
    """Return an RGB image (H, W, 3), enlarged, shifted and brightened, as BGR (uint8)."""
    large = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    shift = np.eye(2, 3, dtype=np.float32)
    shift[:, 2] = random.integers(-SHIFT_PX, SHIFT_PX + 1, 2)
    moved = cv2.warpAffine(large, shift, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
    gain = random.uniform(1 - BRIGHTER, 1 + BRIGHTER)
    return np.asarray(cv2.cvtColor(cv2.convertScaleAbs(moved, alpha=gain), cv2.COLOR_RGB2BGR))


if __name__ == '__main__':
    main()
