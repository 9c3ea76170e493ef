"""What thresholds that were chosen on few held-out images lose on others.

    python -m benchmarks.few_held_out --data CIFAR100 [--weights models/weights]

Draws held-out images, fits temperatures and chooses thresholds for 1 point on them, as `export`
does and as the best on these very images, and measures both on 2,500 others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from eevit_ros.policies import STATELESS
from eevit_ros.policies.operating_point import measure_exits
from eevit_ros.policies.threshold_search import choose_thresholds
from model_export.calibration.choose import CalibrationSet, Target, choose
from model_export.calibration.held_out import answer_held_out
from model_export.calibration.temperatures import calibrate
from model_export.network.macs import count_macs

ASKED = 0.01
OTHERS = 2500
DRAWS = {150: 24, 300: 24, 1000: 12, 2500: 12}


def main() -> None:
    """Print a row for each number of images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--weights', type=Path, default=Path('models/weights'))
    args = parser.parse_args()
    held = answer_held_out(args.weights, args.data)
    macs, policy = count_macs(held.model), STATELESS['softmax']()
    layers = (*held.model.exit_layers, held.model.recipe.backbone.layers)
    random = np.random.default_rng(0)
    for images, draws in DRAWS.items():
        found = []
        for _ in tqdm(range(draws), desc=f'{images} images', leave=False):
            order = random.permutation(len(held.images))
            _, probabilities = calibrate(held.logits, held.labels, order[:images])
            measures = measure_exits(policy, probabilities)
            known = CalibrationSet(
                policy, measures, held.images.labels, layers, macs.leaving, macs.backbone
            )
            few, others = known.subset(order[:images]), known.subset(order[-OTHERS:])
            best = choose_thresholds(few.measures.measure, few.right, few.macs, ASKED)
            chosen = choose(few, Target(max_drop=ASKED))
            found.append([*measured(others, chosen), *measured(others, best)])
        mean, low, high = (of(np.array(found), axis=0) for of in (np.mean, np.min, np.max))
        by_export, best_there = (
            f'{mean[i]:.1f} points ({low[i]:.1f} to {high[i]:.1f}) lost at {mean[i + 1]:.2f}x'
            for i in (0, 2)
        )
        print(f'{images} images, {draws} draws: {by_export}; the best there {best_there}')


def measured(others: CalibrationSet, thresholds: tuple[float, ...]) -> tuple[float, float]:
    """Return the points of accuracy that are lost, and how many times fewer MACs it takes."""
    reached = others.operating_point(thresholds)
    return 100 * (float(others.right[-1].mean()) - reached.accuracy), reached.speedup_macs


if __name__ == '__main__':
    main()
