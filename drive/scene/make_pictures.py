"""Draw the pictures of the drive: the command that made drive/scene/pictures.png and its labels.

    python -m drive.scene.make_pictures CIFAR_FOLDER [OUTPUT_FOLDER]

CIFAR_FOLDER holds the public `cifar100` set's parquet files (test-*.parquet, train-*.parquet).
Needs pyarrow, which the drive itself does not. The pictures are drawn by a fixed seed from the
test images, less those that occur in the training set too (`demo.make_bag`); neither their class
nor the model's answers matter for the draw.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from demo.make_bag import read_pictures
from drive.scene.pictures import COLUMNS, COUNT, LABELS, SHEET, SIDE

SEED = 3


def main() -> None:
    """Write the sheet and its labels, and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('cifar', type=Path, help='folder of the cifar100 parquet files')
    parser.add_argument('output', type=Path, nargs='?', default=SHEET.parent)
    args = parser.parse_args()
    drawn = read_pictures(args.cifar, np.random.default_rng(SEED), COUNT)
    sheet = np.zeros((COUNT // COLUMNS * SIDE, COLUMNS * SIDE, 3), np.uint8)
    for index, (_, encoded) in enumerate(drawn):
        row, column = divmod(index, COLUMNS)
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        sheet[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = image
    png, labels = args.output / SHEET.name, args.output / LABELS.name
    cv2.imwrite(str(png), sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    labels.write_text(json.dumps([name for name, _ in drawn], indent=0) + '\n')
    print(f'{png}: {COUNT} pictures, {png.stat().st_size / 1e6:.2f} MB; {labels}')


if __name__ == '__main__':
    main()
