"""Images a second of a training here, against the plain loop that timm's users write.

    build/backbones_venv/bin/python -m benchmarks.training_speed

Both train all of the same model on the same photos on disk, with as many workers, the same
precision and AdamW. They take turns step by step, so that a busy machine slows both. The plain loop
decodes a photo whenever it is drawn, with timm's transforms; here they were decoded before.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import timm
import timm.data
import torch
import torch.nn.functional as F
from tqdm import tqdm

from benchmarks.report_file import Report, Table, machine
from benchmarks.training_steps import training_steps
from eevit_ros.reporting.interval import median_interval
from model_export.data import load_split, split_held_out
from model_export.data.crop_loader import worker_count
from model_export.network.early_exit import EarlyExitViT
from model_export.network.predict import has_bfloat16
from model_export.recipe.recipe import Recipe, recipe_from_dict

PHOTO = (480, 640)
CLASSES = ('one', 'two')


def recipe_of(name: str, size: int, batch: int) -> Recipe:
    """Train the backbone alone, as the plain loop does."""
    return recipe_from_dict(
        {
            'name': 'speed',
            'num_classes': len(CLASSES),
            'held_out': len(CLASSES),
            'backbone': {'kind': 'timm', 'model': name, 'image_size': size},
            'exits': [{'layer': 1, 'head': 'linear'}],
            'stages': [{'scheme': 'backbone', 'batch_size': batch}],
        }
    )


def write_photos(folder: Path, count: int) -> None:
    """Write JPEG photos of noise in each class, and a test photo."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (16, *(side // 8 for side in PHOTO), 3), dtype=np.uint8)
    photos = [cv2.resize(one, PHOTO[::-1], interpolation=cv2.INTER_CUBIC) for one in small]
    for split, number in (('train', count // len(CLASSES)), ('test', 1)):
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True)
            for index in range(number):
                picture = np.roll(photos[index % len(photos)], index, axis=1)
                cv2.imwrite(str(folder / split / name / f'{index:06}.jpg'), picture)


def ours(recipe: Recipe, data: Path, steps: int) -> Iterator[int]:
    """Train step by step, as `model_export train` does; yield the images of each step."""
    dataset = load_split(data, 'train', recipe.backbone.image_size)
    training, held_out = split_held_out(dataset, recipe.held_out, 0)
    return training_steps(EarlyExitViT(recipe), training, held_out, 1, steps)


def plain(recipe: Recipe, data: Path, workers: int) -> Iterator[int]:
    """Train step by step, with what timm brings; yield the images of each step."""
    backbone, batch = recipe.backbone, recipe.stages[0].batch_size
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    model = timm.create_model(
        backbone.model, num_classes=recipe.num_classes, img_size=backbone.image_size
    )
    model.to(device).train()
    loader = timm.data.create_loader(
        timm.data.create_dataset('', root=str(data / 'train')),
        (3, backbone.image_size, backbone.image_size),
        batch,
        is_training=True,
        use_prefetcher=False,
        mean=backbone.mean,
        std=backbone.std,
        num_workers=workers,
        persistent_workers=False,
        pin_memory=False,
    )
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    half = has_bfloat16(device)
    for image, target in itertools.chain.from_iterable(itertools.repeat(loader)):
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss = F.cross_entropy(model(image.to(device)).float(), target.to(device))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        yield len(target)


def timed(step: Callable[[], int]) -> float:
    """Images a second of one step."""
    start = time.perf_counter()
    return step() / (time.perf_counter() - start)


def main() -> None:
    """Print the rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--model', default='vit_tiny_patch16_224')
    parser.add_argument('--image-size', type=int, default=224)
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--steps', type=int, default=20)
    parser.add_argument('--photos', type=int, default=2400)
    parser.add_argument('--json', type=Path, default=Path('build/benchmarks/training_speed.json'))
    args = parser.parse_args()
    before = machine('timm', 'torch')
    recipe = recipe_of(args.model, args.image_size, args.batch)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        write_photos(data, args.photos)
        steps = args.steps + 1
        workers = worker_count(args.photos)
        loops = {'here': ours(recipe, data, steps), 'plain loop': plain(recipe, data, workers)}
        rates: dict[str, list[float]] = {name: [] for name in loops}
        for turn in tqdm(range(steps), unit='step'):
            for name, loop in loops.items():
                rate = timed(lambda loop=loop: next(loop))  # type: ignore[misc]
                if turn:  # the first step starts the workers
                    rates[name].append(rate)
        for loop in loops.values():
            loop.close()  # type: ignore[attr-defined]
    ratios = [a / b for a, b in zip(rates['here'], rates['plain loop'], strict=True)]
    rows = [[name, median_interval(found).value] for name, found in rates.items()]
    rows.append(['ratio, step by step', median_interval(ratios).value])
    notes = [
        f'{args.model}, {args.image_size} pixels, batches of {args.batch}, {args.photos} photos of '
        f'{PHOTO[1]}x{PHOTO[0]}, {workers} worker(s), medians of {args.steps} steps.'
    ]
    table = Table('Images a second in training', ('loop', 'images a second'), rows)
    print(Report('Training speed', before, [table], notes).write(args.json))


if __name__ == '__main__':
    main()
