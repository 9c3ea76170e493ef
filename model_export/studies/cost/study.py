"""Parameters and multiply-accumulates by component and by layer; heads trained and deployed."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from eevit_ros.reporting import style
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import fold
from model_export.recipe.recipe import load_recipe
from model_export.studies.cost.count import ORDER, Cost, Costs, count, places, total
from model_export.studies.registry import StudyInputs
from model_export.studies.report import Cell, Study, Table, model_facts
from model_export.training.schemes import check_stages
from model_export.weights.stored import load_model

COLOURS = {
    'embedding': '#c9d1da',
    'attention': '#2f6fde',
    'MLP': '#8fb4f2',
    'patch merging': '#33415c',
    'norms and gains': '#6b7785',
    'head neck': '#1f9d6b',
    'head classifier': '#8fd6b9',
    'final classifier': '#d6455d',
    'other': '#000000',
}
TEXT = """\
One image runs through every layer and every head. MACs are those of matrix products and
convolutions, as torch counts them while the model runs; norms, activations and softmax are, as
usual, not counted and appear as 0. A ViT's final classifier reads only the class token, so its last
layer computes little more than that token's row.

Deployed heads are *folded*: a neck's linear tail and the classifier become one matrix that is
applied to the mean instead of to every patch (`model_export/network/fold.py`). All heads together
cost {trained:.1%} of the backbone's MACs as trained and {folded:.1%} as deployed.
"""


def study(inputs: StudyInputs) -> Study:
    """Run the study on `inputs.weights`."""
    assert inputs.weights is not None
    model = load(inputs.weights)
    trained, folded = count(model), count(fold(model))
    backbone = sum(cost.macs for (place, _), cost in trained.items() if 'head' not in place)
    heads = [
        sum(cost.macs for (place, _), cost in costs.items() if 'head' in place) / backbone
        for costs in (trained, folded)
    ]
    return Study(
        'cost',
        'Parameters and MACs',
        TEXT.format(trained=heads[0], folded=heads[1]),
        (by_component(trained, folded), by_layer(model, folded), by_head(model, trained, folded)),
        {'macs': _draw(model, folded)},
        model_facts(inputs.weights),
    )


def load(path: Path) -> EarlyExitViT:
    """Load a model in evaluation mode: a recipe with random weights, a run, or saved weights.

    Raises:
        ModelExportError: It is none of them.
    """
    if path.suffix in ('.yaml', '.yml'):
        recipe = load_recipe(path)
        check_stages(recipe)
        return EarlyExitViT(recipe).eval()
    return load_model(path)[0]


def by_component(trained: Costs, folded: Costs) -> Table:
    """Tabulate parameters and MACs by component, as trained and as deployed."""
    rows: list[tuple[Cell, ...]] = []
    whole = total(folded)
    for component in ORDER:
        before = total({key: cost for key, cost in trained.items() if key[1] == component})
        after = total({key: cost for key, cost in folded.items() if key[1] == component})
        if before != Cost() or after != Cost():
            rows.append(
                (
                    component,
                    before.parameters,
                    after.parameters,
                    before.macs / 1e6,
                    after.macs / 1e6,
                    after.macs / whole.macs,
                )
            )
    before = total(trained)
    rows.append(
        ('all', before.parameters, whole.parameters, before.macs / 1e6, whole.macs / 1e6, 1.0)
    )
    return Table(
        'by_component',
        'By component',
        (
            'component',
            'parameters',
            'parameters, folded',
            'M MACs',
            'M MACs, folded',
            'of all folded MACs, %',
        ),
        tuple(rows),
    )


def by_layer(model: EarlyExitViT, costs: Costs) -> Table:
    """Tabulate what each layer and the head after it cost, and all up to there."""
    rows: list[tuple[Cell, ...]] = []
    so_far = Cost()
    backbone = total({key: cost for key, cost in costs.items() if 'head' not in key[0]}).macs
    for place in places(model):
        here = {component: cost for (where, component), cost in costs.items() if where == place}
        head = total({key: cost for key, cost in costs.items() if key[0] == f'head after {place}'})
        layer = total({(place, component): cost for component, cost in here.items()})
        so_far += layer + head
        rows.append(
            (
                place,
                layer.parameters,
                here.get('attention', Cost()).macs / 1e6,
                here.get('MLP', Cost()).macs / 1e6,
                layer.macs / 1e6,
                head.parameters if head != Cost() else None,
                head.macs / 1e6 if head != Cost() else None,
                so_far.macs / backbone,
            )
        )
    return Table(
        'by_layer',
        'By layer, heads folded',
        (
            'layer',
            'parameters',
            'attention, M MACs',
            'MLP, M MACs',
            'layer, M MACs',
            'head, parameters',
            'head, M MACs',
            'up to here of the plain backbone, %',
        ),
        tuple(rows),
        '"Up to here" is what an image costs that leaves at this head, rejected heads included.',
    )


def by_head(model: EarlyExitViT, trained: Costs, folded: Costs) -> Table:
    """Tabulate the heads, as trained and as deployed."""
    rows: list[tuple[Cell, ...]] = []
    for one in model.recipe.exits:
        place = f'head after {one.layer}'
        layer = total({key: cost for key, cost in folded.items() if key[0] == str(one.layer)})
        before = total({key: cost for key, cost in trained.items() if key[0] == place})
        after = total({key: cost for key, cost in folded.items() if key[0] == place})
        words = ', '.join(f'{key} {value}' for key, value in one.params.items())
        rows.append(
            (
                one.layer,
                f'{one.head} {words}'.strip(),
                before.parameters,
                after.parameters,
                before.macs / 1e6,
                after.macs / 1e6,
                after.macs / layer.macs,
            )
        )
    return Table(
        'by_head',
        'By head, as trained and folded',
        (
            'after layer',
            'head',
            'parameters',
            'parameters, folded',
            'M MACs',
            'M MACs, folded',
            'of its layer, folded, %',
        ),
        tuple(rows),
    )


def _draw(model: EarlyExitViT, costs: Costs) -> Figure:
    figure = Figure(figsize=(7, 3.4), layout='constrained')
    axes = figure.subplots()
    along = places(model)
    labels = ['emb.', *along[1:]]
    below = [0.0] * len(along)
    for component in ORDER:
        heights = [
            sum(
                costs.get((where, component), Cost()).macs / 1e6
                for where in (place, f'head after {place}')
            )
            for place in along
        ]
        if any(heights):
            axes.bar(labels, heights, bottom=below, color=COLOURS[component], label=component)
            below = [low + height for low, height in zip(below, heights, strict=True)]
    axes.set(ylabel='million MACs', xlabel='layer, and the head after it', title='MACs by layer')
    axes.legend(frameon=False, loc='center left', bbox_to_anchor=(1, 0.5))
    if len(along) > 20:
        axes.tick_params(axis='x', labelrotation=90)
    style.quiet(axes)
    return figure
