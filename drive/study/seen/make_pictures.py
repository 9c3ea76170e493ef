"""Draw further pictures for the study: the command that made drive/study/seen/pictures.json.

    python -m drive.study.seen.make_pictures CIFAR_FOLDER

CIFAR_FOLDER is that of `drive.scene.make_pictures`. A fixed seed draws from the test images, less
those that are on the sheet or in the training set; neither class nor answers matter for the draw.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from demo.make_bag import read_pictures
from drive.scene.make_pictures import SEED as SHEET_SEED
from drive.scene.pictures import COUNT
from drive.study.seen.pictures import MORE
from drive.study.worlds import FURTHER

SEED = 4


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('cifar', type=Path, help='folder of the cifar100 parquet files')
    folder = parser.parse_args().cifar
    table = pq.read_table(next(folder.glob('test-*.parquet')), columns=['img'])
    row = {image['bytes']: number for number, image in enumerate(table['img'].to_pylist())}
    sheet = {data for _, data in read_pictures(folder, np.random.default_rng(SHEET_SEED), COUNT)}
    drawn = read_pictures(folder, np.random.default_rng(SEED), COUNT + FURTHER)
    further = [(row[data], name) for name, data in drawn if data not in sheet][:FURTHER]
    rows, labels = zip(*further, strict=True)
    MORE.write_text(json.dumps({'rows': rows, 'labels': labels}) + '\n')
    print(f'{MORE}: {len(rows)} pictures')


if __name__ == '__main__':
    main()
