"""What thresholds that were chosen on few held-out images lose on others.

    python -m benchmarks.few_held_out --data CIFAR100 [--weights models/weights]

Draws images of one half of those held out, chooses thresholds for 1 point on them, as `export` does
and as the best on these very images, and measures both on the other half.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from eevit_ros.policies.threshold_search import choose_thresholds
from model_export.calibration.choose import CalibrationSet, Target, choose
from model_export.calibration.held_out import halves
from model_export.studies.thresholds.held_out_answers import answers_of_run

ASKED = 0.01
DRAWS = {150: 20, 300: 20, 1000: 10, 2500: 1}


def main() -> None:
    """Print a row for each number of images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--weights', type=Path, default=Path('models/weights'))
    args = parser.parse_args()
    known = answers_of_run(args.weights, args.data).measured_by('softmax')
    first, second = halves(len(known.labels))
    others = known.subset(second)
    random = np.random.default_rng(0)
    print('images, draws: points lost as export chooses (range), fewer MACs; as best there')
    for images, draws in DRAWS.items():
        found = []
        for _ in tqdm(range(draws), desc=f'{images} images', leave=False):
            few = known.subset(random.permutation(first)[:images])
            best = choose_thresholds(few.measures.measure, few.right, few.macs, ASKED)
            chosen = choose(few, Target(max_drop=ASKED))
            found.append([*measured(others, chosen), *measured(others, best)])
        lost, speedup, best_lost, best_speedup = np.mean(found, axis=0)
        low, high = np.min(found, axis=0)[0], np.max(found, axis=0)[0]
        print(
            f'{images}, {draws}: {lost:.1f} ({low:.1f} to {high:.1f}), {speedup:.2f}x; '
            f'{best_lost:.1f}, {best_speedup:.2f}x',
            flush=True,
        )


def measured(others: CalibrationSet, thresholds: tuple[float, ...]) -> tuple[float, float]:
    """Return the points of accuracy that are lost, and how many times fewer MACs it takes."""
    reached = others.operating_point(thresholds)
    return 100 * (float(others.right[-1].mean()) - reached.accuracy), reached.speedup_macs


if __name__ == '__main__':
    main()
