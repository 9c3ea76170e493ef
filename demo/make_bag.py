"""Make the demo's recording from CIFAR-100 test images: the command that made demo/bag.

    python -m demo.make_bag CIFAR_FOLDER [BAG_FOLDER]

CIFAR_FOLDER holds the public `cifar100` set's parquet files (test-*.parquet, train-*.parquet).
Needs pyarrow, which the demo itself does not.

36 images of CIFAR-100 (Krizhevsky 2009) are drawn by a fixed seed from the test images, less the
ten that occur in the training set too; each stays for 0.7 s, moving and zooming a little, seen by
a camera of 640x480 at 15 Hz. The light fades in the middle third and comes back: at the darkest
the exposure is 7 stops down with half of it made up by gain, with photon and read noise and
defocus (demo/scene.py).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from demo.bag import SHIPPED_BAG, BagFrame, write_bag
from demo.scene import darkness, expose, look, random_pose

SEED = 0
PICTURES = 36
FRAME_COUNT = 378
RATE_HZ = 15
START_NS = 1_700_000_000_000_000_000  # any fixed time: the player rewrites stamps
JPEG_QUALITY = 65


def read_pictures(folder: Path, chosen: np.random.Generator, count: int) -> list[tuple[str, bytes]]:
    """Draw class names and encoded images from the test set, none of which was trained on."""
    test = pq.read_table(next(folder.glob('test-*.parquet')))
    features = json.loads(test.schema.metadata[b'huggingface'])['info']['features']
    names = features['fine_label']['names']
    trained = {
        image['bytes']
        for shard in sorted(folder.glob('train-*.parquet'))
        for image in pq.read_table(shard, columns=['img'])['img'].to_pylist()
    }
    unseen = [
        (names[label], image['bytes'])
        for label, image in zip(
            test['fine_label'].to_pylist(), test['img'].to_pylist(), strict=True
        )
        if image['bytes'] not in trained
    ]
    return [unseen[i] for i in chosen.choice(len(unseen), count, replace=False)]


def film(pictures: list[tuple[str, bytes]], rng: np.random.Generator) -> Iterator[BagFrame]:
    """Yield the frames of the recording."""
    images = [_decode(encoded) for _, encoded in pictures]
    paths = [(random_pose(rng), random_pose(rng)) for _ in pictures]
    each = FRAME_COUNT / len(pictures)
    for index in range(FRAME_COUNT):
        which = int(index / each)
        start, end = paths[which]
        scene = look(images[which], start.towards(end, index / each - which))
        frame = expose(scene, darkness(index / (FRAME_COUNT - 1)), rng)
        _, jpeg = cv2.imencode(
            '.jpg',
            cv2.cvtColor(frame, cv2.COLOR_RGB2BGR),
            [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1],
        )
        stamp_ns = START_NS + index * 1_000_000_000 // RATE_HZ
        yield BagFrame(stamp_ns, jpeg.tobytes(), pictures[which][0])


def _decode(encoded: bytes) -> npt.NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def main() -> None:
    """Write the bag and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('cifar', type=Path, help='folder of the cifar100 parquet files')
    parser.add_argument('bag', type=Path, nargs='?', default=SHIPPED_BAG)
    args = parser.parse_args()
    rng = np.random.default_rng(SEED)
    write_bag(args.bag, film(read_pictures(args.cifar, rng, PICTURES), rng))
    size = sum(file.stat().st_size for file in args.bag.iterdir())
    print(f'{args.bag}: {FRAME_COUNT} frames of {PICTURES} pictures, {size / 1e6:.2f} MB')


if __name__ == '__main__':
    main()
