"""Study `looking`: what each exit looks at, on a few images that were chosen by rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from eevit_ros.reporting.style import RIGHT, WRONG
from model_export.data import Images, evaluation_batch, load_split
from model_export.errors import ModelExportError
from model_export.measuring.answers import Answers, Leaving, answers, leaving
from model_export.network.early_exit import EarlyExitViT
from model_export.studies.looking.maps import attention_rollout, grad_cam, has_rollout
from model_export.studies.looking.sheet import Tile, overlay, sheet, thumbnail
from model_export.studies.registry import StudyInputs
from model_export.studies.report import Study, Table, model_facts
from model_export.weights.stored import load_model

MEASURED = 100  # images for the table; the sheets show six
FOCUS = 0.25  # of the patches

Maps = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """One image of the sheets: its index in the split and why it was chosen."""

    index: int
    why: str


def study(inputs: StudyInputs) -> Study:
    """Draw the maps of every exit.

    Raises:
        ModelExportError: The weights are not those of the model file.
    """
    assert inputs.model and inputs.weights and inputs.data
    model, class_names = load_model(inputs.weights)  # first: the answers take minutes
    found = answers(inputs.model, inputs.data, 'test', inputs.limit, inputs.cache)
    meta = found.metadata
    if (model.exit_layers, class_names) != (meta.exit_layers, meta.class_names):
        raise ModelExportError(
            f'{inputs.weights} is not what {inputs.model} was made of: exits after layers '
            f'{model.exit_layers}, in the file {meta.exit_layers}; or other classes'
        )
    model.requires_grad_(False)
    test = load_split(inputs.data, 'test', meta.input_height)
    test = test.spread(len(found.labels))
    left = leaving(found)
    samples = choose(found, left)
    images = test.images[[sample.index for sample in samples]]
    rows = [_row(found, left, sample) for sample in samples]

    kinds = {'gradcam': 'Grad-CAM'}
    if has_rollout(model.backbone):
        kinds = {'rollout': 'attention rollout', **kinds}
    figures, columns = {}, []
    for kind in kinds:
        shown = maps_of(model, images, kind)
        figures[kind] = _sheet(found, left, samples, images, shown)
        measured = maps_of(model, test.spread(MEASURED).images, kind)
        columns += [focus(measured), likeness(measured)]
    names = [f'{title}: {what}' for title in kinds.values() for what in ('focus %', 'likeness')]
    table = Table(
        'maps',
        'How focused each exit is, and how similar to the final exit',
        ('layer', *names),
        tuple(zip(meta.answer_layers, *columns, strict=True)),
        f'Means over {min(MEASURED, len(test))} images. Focus: the share of a map in its strongest '
        f'quarter of patches (25 for a uniform map). Likeness: correlation of a map with the final '
        f"exit's map of the same image.",
    )
    shown_images = Table(
        'images',
        'The images on the sheets',
        ('image', 'chosen as', 'truth', 'answer', 'confidence', 'left after layer'),
        tuple(rows),
    )
    return Study(
        'looking',
        'What each exit looks at',
        _text(kinds, len(found.labels)),
        (shown_images, table),
        figures,
        model_facts(inputs.weights),
    )


def choose(found: Answers, left: Leaving) -> list[Sample]:
    """Choose a right and a wrong image that left at the first, the middle and the final exit.

    Of each such group, the image of median confidence. A group without images is skipped.
    """
    exits = len(found.metadata.exit_layers)
    samples = []
    for exit_index, when in ((0, 'early'), (exits // 2, 'middle'), (exits, 'late')):
        for right in (True, False):
            group = np.flatnonzero((left.exit_index == exit_index) & (left.right == right))
            if len(group):
                group = group[np.argsort(left.confidence[group], kind='stable')]
                why = f'{when}, {"right" if right else "wrong"}'
                samples.append(Sample(int(group[len(group) // 2]), why))
    return samples


def maps_of(model: EarlyExitViT, images: Images, kind: str) -> list[Maps]:
    """Return the maps of each exit and, last, of the final one: E + 1 arrays (N, grid, grid).

    Args:
        model: Model in evaluation mode.
        images: uint8 (N, H, W, 3), resized here as the robot does.
        kind: 'rollout' or 'gradcam'.
    """
    batch = torch.from_numpy(evaluation_batch(images, model.recipe.backbone.image_size))
    layers = (*model.exit_layers, model.recipe.backbone.layers)
    if kind == 'rollout':
        rolled = attention_rollout(model.backbone, batch)
        return [rolled[layer - 1].numpy() for layer in layers]
    return [grad_cam(model, batch, index).numpy() for index in range(len(layers))]


def focus(maps: list[Maps]) -> list[float]:
    """Return, by exit, the mean share of a map that lies in its strongest quarter of patches."""
    shares = []
    for exit_maps in maps:
        flat = np.sort(exit_maps.reshape(len(exit_maps), -1))[:, ::-1]
        total = flat.sum(axis=1)
        strongest = flat[:, : round(FOCUS * flat.shape[1])].sum(axis=1)
        shares.append(float((strongest[total > 0] / total[total > 0]).mean()))
    return shares


def likeness(maps: list[Maps]) -> list[float | None]:
    """Return, by exit, the mean correlation of its maps with the final exit's.

    None where grids differ: stages of a Swin.
    """
    found: list[float | None] = []
    for exit_maps in maps:
        if exit_maps.shape != maps[-1].shape:
            found.append(None)
            continue
        a, b = (m.reshape(len(m), -1) for m in (exit_maps, maps[-1]))
        a, b = (m - m.mean(axis=1, keepdims=True) for m in (a, b))
        norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
        found.append(float(((a * b).sum(axis=1)[norm > 0] / norm[norm > 0]).mean()))
    return found


def _row(found: Answers, left: Leaving, sample: Sample) -> tuple[int | str | float, ...]:
    names, i = found.metadata.class_names, sample.index
    return (
        i,
        sample.why,
        names[found.labels[i]],
        names[left.answer[i]],
        float(left.confidence[i]),
        int(left.layer[i]),
    )


def _sheet(
    found: Answers, left: Leaving, samples: list[Sample], images: Images, maps: list[Maps]
) -> Figure:
    names = found.metadata.class_names
    rows = []
    for row, sample in enumerate(samples):
        i = sample.index
        tiles: list[Tile | None] = [Tile(thumbnail(images[row]))]
        for exit_index, exit_maps in enumerate(maps):
            probabilities = found.probabilities[exit_index, i]
            answer = int(probabilities.argmax())
            colour = RIGHT if answer == found.labels[i] else WRONG
            here = left.exit_index[i] == exit_index
            name = names[answer].replace('_', ' ')[:12]
            caption = f'{name}\n{probabilities[answer]:.2f}' + ' left' * bool(here)
            picture = overlay(images[row], exit_maps[row])
            tiles.append(Tile(picture, caption, colour, framed=bool(here)))
        rows.append(tiles)
    columns = ['image', *(f'layer {layer}' for layer in found.metadata.answer_layers)]
    sides = [
        f'{names[found.labels[sample.index]]}\n{sample.why.replace(", ", chr(10))}'
        for sample in samples
    ]
    return sheet(rows, columns, sides)


def _text(kinds: dict[str, str], images: int) -> str:
    rollout = (
        'Attention rollout (Abnar and Zuidema, 2020) shows how much of each patch the class token '
        "holds after an exit's layer, regardless of the head; where it hardly changes from exit to "
        'exit (likeness near 1), it does not explain why they differ. '
        if 'rollout' in kinds
        else 'This backbone attends within windows, so there is no attention rollout. '
    )
    return (
        f'One right and one wrong image for each of the first, the middle and the final exit, at '
        f'the thresholds of the file: the image of median confidence among those of {images} test '
        f'images that left there. A column is an exit, with its answer and confidence below; the '
        f'frame marks the exit that answered, green if right. Blue is zero, red the maximum of '
        f'that map.\n\n'
        f'{rollout}Grad-CAM (Selvaraju et al., 2017) shows which patches support the answer of '
        f"this exit; it is computed on the tokens that enter the exit's layer. All blue: no patch "
        f'supports the answer, only the class token does. The maps show where evidence lies, not '
        f'whether it is good evidence.'
    )
