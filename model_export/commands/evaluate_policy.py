"""Measure any exit policy on a test set, from all exits' probabilities of a model file.

A file decides by its own measure. What another policy would answer on the same images is arithmetic
once every exit is known; its wall clock is not, so here are accuracy, layers and MACs alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eevit_ros.model.engine import check_thresholds
from eevit_ros.policies import build_policy
from eevit_ros.policies.operating_point import measure_exits, operating_point
from eevit_ros.policies.threshold_search import exits_taken
from model_export.errors import ModelExportError
from model_export.measuring.answers import answers


def evaluate_policy(
    model: Path,
    data: Path,
    out: Path | None,
    *,
    policy_name: str,
    thresholds: Sequence[float],
    limit: int | None,
) -> dict[str, Any]:
    """Print a table and return its figures.

    Args:
        model: The `.onnx` file.
        data: Folder of the data set; its test split is used.
        out: JSON file to write, if any.
        policy_name: One of `eevit_ros.policies.NAMES`.
        thresholds: One for all exits, or E, chosen elsewhere: never on the test set.
        limit: Use only so many images, spread over the set, to try it out.

    Raises:
        ModelExportError: the data have other classes than the model, or `out` or `limit` is wrong.
        EevitError: the policy or the thresholds do not fit.
    """
    if out and out.is_dir():
        raise ModelExportError(f'--out must name a file. {out} is a folder')
    found = answers(model, data, 'test', limit)
    meta = found.metadata
    values = check_thresholds(thresholds, len(meta.exit_layers))
    measures = measure_exits(
        build_policy(policy_name, meta.accuracy), np.clip(found.probabilities, 0, 1)
    )
    right = measures.answer == found.labels
    taken = exits_taken(measures.measure, np.array(values, np.float32))
    result = operating_point(right, taken, meta.answer_layers, meta.macs, meta.backbone_macs)
    figures: dict[str, Any] = {
        'model': meta.name,
        'images': len(found.labels),
        'policy': policy_name,
        'thresholds': values,
        'accuracy': result.accuracy,
        'accuracy_full_depth': float(right[-1].mean()),
        'speedup_layers': result.speedup_layers,
        'speedup_macs': result.speedup_macs,
        'exits': [
            {'layer': layer, 'share': share, 'accuracy': accuracy}
            for layer, share, accuracy in zip(
                meta.answer_layers, result.share, result.exit_accuracy, strict=True
            )
        ],
    }
    lines = ['', '| layer | share | accuracy |', '|---|---|---|']
    lines += [
        f'| {row["layer"]} | {row["share"]:.1%} | {row["accuracy"]:.1%} |'
        for row in figures['exits']
    ]
    lines += [
        '',
        f'{policy_name}: {result.accuracy:.2%} of {len(found.labels)} images at '
        f'{result.speedup_macs:.2f}x fewer MACs, {result.speedup_layers:.2f}x fewer layers; '
        f'full depth {figures["accuracy_full_depth"]:.2%}',
    ]
    print('\n'.join(lines))
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(figures, indent=1) + '\n')
        print(f'wrote {out}')
    return figures
