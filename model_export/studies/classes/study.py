"""Study `classes`: which classes leave early, which are answered right, how the two relate.

From all exits' probabilities of a model file on the test split, at the file's thresholds.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from model_export.data import load_split
from model_export.measuring.answers import Answers, Leaving, answers, leaving
from model_export.studies.classes.figures import (
    EACH,
    confusion_figure,
    depth_figure,
    exits_figure,
    samples_figure,
)
from model_export.studies.classes.superclasses import superclasses, thirds
from model_export.studies.registry import StudyInputs
from model_export.studies.report import Cell, Study, Table, model_facts

ENDS = 8  # classes at the top and at the bottom of a table
PAIRS = 12
SHEET_ENDS = 3  # classes on the sample sheet that leave earliest, and as many that leave latest

Floats = npt.NDArray[np.float64]


def study(inputs: StudyInputs) -> Study:
    """Group the answers by class."""
    assert inputs.model and inputs.data
    found = answers(inputs.model, inputs.data, 'test', inputs.limit, inputs.cache)
    left = leaving(found)
    meta = found.metadata
    names, classes = meta.class_names, len(meta.class_names)
    images = np.bincount(found.labels, minlength=classes)
    seen = np.flatnonzero(images)  # --limit may leave out a class
    accuracy = by_class(found.labels, left.right, classes)
    depth = by_class(found.labels, left.layer, classes)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (found.labels, left.answer), 1)

    named = superclasses(inputs.data, classes)
    groups = named or thirds(np.nan_to_num(accuracy))
    member = np.eye(len(groups.names))[groups.of][found.labels]  # (N, G)
    at_exit = np.eye(len(meta.answer_layers))[left.exit_index]  # (N, E + 1)
    share = member.T @ at_exit / np.maximum(1, member.sum(axis=0))[:, None]
    group_right = member.T @ left.right / np.maximum(1, member.sum(axis=0))

    by_depth = seen[np.argsort(depth[seen], kind='stable')]
    on_sheet = [*by_depth[:SHEET_ENDS], *by_depth[-SHEET_ENDS:]]
    test = load_split(inputs.data, 'test', meta.input_height)
    test = test.spread(len(found.labels))
    figures = {
        'exits': exits_figure(share, groups, meta.answer_layers),
        'depth': depth_figure(depth[seen], accuracy[seen], tuple(names[c] for c in seen)),
        'confusion': confusion_figure(confusion, groups, named=named is not None),
        'samples': samples_figure(found, left, test.images, [int(c) for c in on_sheet]),
    }
    correlation = _correlation(left, depth[seen], accuracy[seen])
    tables = (
        _ends(found, left, confusion, accuracy, depth, seen, 'accuracy'),
        _ends(found, left, confusion, accuracy, depth, seen, 'depth'),
        correlation,
        _groups(groups.names, share, group_right, meta.answer_layers, named is not None),
        _pairs(names, confusion, images, left, found),
    )
    return Study(
        'classes',
        'Classes: which leave early, which are hard',
        _text(found, left, named is not None),
        tables,
        figures,
        model_facts(inputs.model),
    )


def by_class(
    labels: npt.NDArray[np.int64], values: npt.NDArray[np.generic], classes: int
) -> Floats:
    """Return the mean of `values` (N,) by class (C,); NaN for a class without images."""
    count = np.bincount(labels, minlength=classes)
    total = np.bincount(labels, weights=np.asarray(values, np.float64), minlength=classes)
    return np.divide(total, count, out=np.full(classes, np.nan), where=count > 0)


def pearson(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> tuple[float, float, float]:
    """Return Pearson's r of two series (N,) and its 95 % interval, by Fisher's transformation.

    All NaN if one does not vary, the bounds also with fewer than four values.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if len(x) < 2 or not np.ptp(x) or not np.ptp(y):
        return math.nan, math.nan, math.nan
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    if len(x) < 4 or abs(r) == 1:
        return r, math.nan, math.nan
    half = 1.96 / math.sqrt(len(x) - 3)
    return r, math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def later_when_wrong(layer: npt.NDArray[np.int64], right: npt.NDArray[np.bool_]) -> float:
    """Return the chance that an image answered wrongly left later than one answered rightly.

    Ties count half: the area under the ROC curve of depth as a sign of error. NaN if all are right
    or all are wrong.
    """
    if right.all() or not right.any():
        return math.nan
    levels = np.unique(layer)
    good = np.array([np.mean(layer[right] == level) for level in levels])
    bad = np.array([np.mean(layer[~right] == level) for level in levels])
    return float(bad @ (np.cumsum(good) - 0.5 * good))


def _correlation(left: Leaving, depth: Floats, accuracy: Floats) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = (
        ('images', len(left.layer), *map(_known, pearson(left.layer, ~left.right))),
        ('classes (their means)', len(depth), *map(_known, pearson(depth, 1 - accuracy))),
    )
    chance = later_when_wrong(left.layer, left.right)
    return Table(
        'correlation',
        'Correlation of the layer an image leaves after with error',
        ('over', 'count', "Pearson's r", '95 % from', 'to'),
        rows,
        f'The chance that a wrong answer left later than a right one is {chance:.1%} (ties count '
        f'half; 50 % means no relation).',
    )


def _ends(
    found: Answers,
    left: Leaving,
    confusion: npt.NDArray[np.int64],
    accuracy: Floats,
    depth: Floats,
    seen: npt.NDArray[np.int64],
    by: str,
) -> Table:
    """Tabulate the classes at both ends of an order, by accuracy or by depth."""
    names = found.metadata.class_names
    final = by_class(found.labels, found.right[-1], len(names))
    first = by_class(found.labels, left.exit_index == 0, len(names))
    key = -accuracy[seen] if by == 'accuracy' else depth[seen]
    order = seen[np.argsort(key, kind='stable')]
    chosen = [*order[:ENDS], *order[max(ENDS, len(order) - ENDS) :]]
    rows: list[tuple[Cell, ...]] = []
    for c in chosen:
        wrong = confusion[c].copy()
        wrong[c] = 0
        taken_for = f'{names[wrong.argmax()]} ({wrong.max()})' if wrong.any() else None
        rows.append(
            (
                names[c],
                float(accuracy[c]),
                float(final[c]),
                float(depth[c]),
                float(first[c]),
                taken_for,
            )
        )
    title = {
        'accuracy': f'The {ENDS} most and the {ENDS} least accurate classes',
        'depth': f'The {ENDS} classes that leave earliest and the {ENDS} that leave latest',
    }
    return Table(
        f'by_{by}',
        title[by],
        (
            'class',
            'accuracy, %',
            'final exit alone, %',
            'mean layer',
            'left at the first exit, %',
            'most often mistaken for (images)',
        ),
        tuple(rows),
    )


def _groups(
    names: tuple[str, ...],
    share: Floats,
    right: Floats,
    layers: tuple[int, ...],
    are_superclasses: bool,
) -> Table:
    depth = share @ np.array(layers)
    rows = tuple(
        (names[g], float(right[g]), float(depth[g]), *map(float, share[g]))
        for g in np.argsort(depth, kind='stable')
    )
    what = 'superclass' if are_superclasses else 'classes by accuracy'
    columns = (what, 'accuracy, %', 'mean layer', *(f'left after {layer}, %' for layer in layers))
    return Table('groups', f'Where images leave, by {what}', columns, rows)


def _pairs(
    names: tuple[str, ...],
    confusion: npt.NDArray[np.int64],
    images: npt.NDArray[np.int64],
    left: Leaving,
    found: Answers,
) -> Table:
    """Tabulate the pairs of classes that are most often taken for each other."""
    both = np.triu(confusion + confusion.T, 1)
    rows: list[tuple[Cell, ...]] = []
    for flat in np.argsort(-both, axis=None, kind='stable')[:PAIRS]:
        a, b = divmod(int(flat), len(names))
        if not both[a, b]:
            break
        mixed = ((found.labels == a) & (left.answer == b)) | (
            (found.labels == b) & (left.answer == a)
        )
        final = found.probabilities[-1, mixed].argmax(axis=-1) == found.labels[mixed]
        rows.append(
            (
                f'{names[a]}, {names[b]}',
                int(both[a, b]),
                float(both[a, b] / (images[a] + images[b])),
                float(left.layer[mixed].mean()),
                float(final.mean()),
            )
        )
    return Table(
        'pairs',
        'The most confused pairs of classes',
        (
            'pair',
            'mistaken for each other',
            'of their images, %',
            'mean layer of these',
            'final exit right, %',
        ),
        tuple(rows),
        'The last column is the share of these mistakes that the final exit would not have made.',
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _text(found: Answers, left: Leaving, are_superclasses: bool) -> str:
    lost = found.right[-1] & ~left.right
    gained = ~found.right[-1] & left.right
    groups = (
        'The groups are the superclasses of the data set. '
        if are_superclasses
        else 'The data set has no superclasses, so the groups are thirds of the classes by '
        'accuracy. '
    )
    return (
        f'{len(found.labels)} test images at the thresholds of the file: accuracy '
        f'{left.right.mean():.2%}, mean layer {left.layer.mean():.2f}. Leaving early loses '
        f'{lost.sum()} answers that the final exit gets right and gains {gained.sum()} that it '
        f'gets wrong. {groups}The sample sheet shows, for the {SHEET_ENDS} classes that leave '
        f'earliest on average and the {SHEET_ENDS} that leave latest, the {EACH} images that left '
        f'first and the {EACH} that left last, with layer and answer; green is right.'
    )
