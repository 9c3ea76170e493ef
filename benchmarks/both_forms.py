"""Whether a model file answers alike as one graph and in stages, on a whole test set.

    python -m benchmarks.both_forms models/eevit_s14_cifar100.onnx --data DATA --out forms.json

Prints the images that left at another exit or got another label, the largest difference of a
probability, and mean milliseconds of both forms, which alternate image by image.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from eevit_ros.model.compute import Compute, all_cores
from eevit_ros.model.engine import Engine
from eevit_ros.reporting.host_info import describe_machine
from model_export.data import load_split


def main() -> None:
    """Compare both forms and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path, help='an exported .onnx file')
    parser.add_argument('--data', type=Path, required=True, help='folder with the data set')
    parser.add_argument('--out', type=Path, help='write the figures to this JSON file')
    args = parser.parse_args()
    machine = describe_machine()
    engines = {
        form: Engine(args.model, compute=Compute(execution=form, threads=all_cores()))
        for form in ('single', 'staged')
    }
    for engine in engines.values():
        engine.warm_up()
    images = load_split(args.data, 'test', engines['single'].metadata.input_height).images
    other_exit = other_label = 0
    largest = 0.0
    spent_ms = dict.fromkeys(engines, 0.0)
    for image in tqdm(images, 'both forms', unit='image'):
        single, staged = (engine.run(image) for engine in engines.values())
        other_exit += single.exit_index != staged.exit_index
        other_label += single.class_index != staged.class_index
        largest = max(largest, float(np.abs(single.probabilities - staged.probabilities).max()))
        spent_ms['single'] += single.inference_ms
        spent_ms['staged'] += staged.inference_ms
    figures = {
        'model': args.model.name,
        'sha256': engines['single'].sha256,
        'images': len(images),
        'other_exit': other_exit,
        'other_label': other_label,
        'largest_difference': largest,
        **{f'{form}_ms': total / len(images) for form, total in spent_ms.items()},
        'machine': machine,
    }
    print(json.dumps(figures, indent=1))
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + '\n')


if __name__ == '__main__':
    main()
