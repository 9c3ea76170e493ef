"""Study `counting`: the error of each exit of a regression file, and what a tolerance saves.

It needs a model of its own, not the shipped one, so `study all` skips it.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from eevit_ros.images.resize import Image
from eevit_ros.model.check import ModelFile
from model_export.data import evaluation_batch
from model_export.data.values import load_values
from model_export.errors import ModelExportError, UsageError
from model_export.progress import progress
from model_export.regression.model_file import RegressionMetadata
from model_export.regression.policy import (
    RegressionAnswers,
    RegressionPoint,
    candidates,
    exits_taken,
    regression_point,
)
from model_export.regression.session import RegressionSession
from model_export.studies.fixed_exits import FixedExit, draw_trade_off, fixed_exits
from model_export.studies.registry import StudyInputs
from model_export.studies.report import Study, Table, model_facts

LISTED = 10  # every so many of the candidates has a row

TEXT = """\
{images} test images with true values from {low:g} to {high:g} {unit}, run through the exported file
with ONNX Runtime. An image leaves at the first exit that differs by less than the tolerance from
the exit before. The file's own tolerances ({own} from the second exit on) were chosen on
held-out training images; the test set shows the trade-off and decides nothing. MAE is the mean
absolute error in {unit}; always answering with the mean of the test set gives {mean:.3g}.

Speed-up by MACs compares with the plain backbone and counts all heads that ran. A fixed exit runs
only its own head.

With its own tolerances the file has an MAE of {error:.3g} at {macs:.2f}x fewer MACs, the final exit
one of {final:.3g}. {against}
"""


def study(inputs: StudyInputs) -> Study:
    """Run the study.

    Raises:
        ModelExportError: The model is not a regression file, `limit` is below 1, or the file's
            decisions do not follow from its own values.
    """
    assert inputs.model is not None and inputs.data is not None
    if inputs.limit is not None and inputs.limit < 1:
        raise UsageError(f'--limit must be at least 1. Got {inputs.limit}')
    model = ModelFile(inputs.model).read()
    try:
        session = RegressionSession(model)
    except ModelExportError as err:
        raise ModelExportError(f'{inputs.model}: {err}') from err
    meta = session.metadata
    test = load_values(inputs.data, 'test', meta.input_height)
    test = test.spread(inputs.limit or len(test))
    pixels = evaluation_batch(test.images, meta.input_height)
    values = np.stack([session.values(image) for image in progress(pixels, 'every exit')], axis=1)
    known = RegressionAnswers(values, test.values, meta.macs, meta.backbone_macs)
    _check_decisions(session, pixels, known)
    own = regression_point(known, meta.default_tolerances)
    tried = candidates(meta.deviation)
    common = {one: regression_point(known, [one] * len(meta.exit_layers)) for one in tried}
    fixed = fixed_exits(meta, known.errors)
    return Study(
        'counting',
        'Counting: a regression with early exits',
        TEXT.format(
            images=len(test),
            low=test.values.min(),
            high=test.values.max(),
            unit=meta.unit or 'the unit of the data',
            own=', '.join(f'{value:.3g}' for value in meta.default_tolerances[1:]),
            mean=np.abs(test.values - test.values.mean()).mean(),
            error=own.error,
            macs=own.speedup_macs,
            final=fixed[-1].score,
            against=_against(own, fixed, meta),
        ),
        (_fixed_table(fixed), _trade_off(own, common), _shares(own, common, meta)),
        {'trade-off': _draw(own, common, fixed)},
        model_facts(inputs.model),
    )


def _check_decisions(session: RegressionSession, pixels: Image, known: RegressionAnswers) -> None:
    """Compare the file's own decisions with those that follow from all exits' values."""
    tolerances = session.metadata.default_tolerances
    taken = exits_taken(known.values, tolerances)
    for number, image in enumerate(progress(pixels, 'its own tolerances')):
        value, left = session.run(image, tolerances)
        expected = float(known.values[taken[number], number])
        if left != taken[number] or abs(value - expected) > 1e-3 * session.metadata.deviation:
            raise ModelExportError(
                f'image {number}: the file answers {value:.4g} at exit {left}, but by its values '
                f'at all exits it should answer {expected:.4g} at {taken[number]}: export it again'
            )


def _against(own: RegressionPoint, fixed: list[FixedExit], meta: RegressionMetadata) -> str:
    """Compare with the best fixed exit among those that cost as many MACs or fewer."""
    within = [one for one in fixed if one.speedup >= own.speedup_macs]
    if not within:
        return 'No fixed exit is as cheap.'
    best = min(within, key=lambda one: one.score)
    return (
        f'The best fixed exit that costs no more is the one after layer {best.layer} of '
        f'{meta.layers}: {best.score:.3g} at {best.speedup:.2f}x.'
    )


def _fixed_table(fixed: list[FixedExit]) -> Table:
    rows = tuple((one.layer, one.score, one.speedup) for one in fixed)
    return Table(
        'fixed', 'Every image leaves at one exit', ('after layer', 'MAE', 'MAC speed-up'), rows
    )


def _named(
    own: RegressionPoint, common: dict[float, RegressionPoint]
) -> list[tuple[str, RegressionPoint]]:
    """Return the rows of a table: the file's own tolerances, then common ones, rising."""
    listed = list(common.items())[::LISTED]
    return [("the file's own", own), *((f'{value:.3g}', one) for value, one in listed)]


def _trade_off(own: RegressionPoint, common: dict[float, RegressionPoint]) -> Table:
    rows = tuple((name, one.error, one.speedup_macs) for name, one in _named(own, common))
    return Table(
        'trade_off',
        'One tolerance for all exits',
        ('tolerance', 'MAE', 'MAC speed-up'),
        rows,
        'At a tolerance of 0 every image goes to the final exit, all heads counted.',
    )


def _shares(
    own: RegressionPoint, common: dict[float, RegressionPoint], meta: RegressionMetadata
) -> Table:
    return Table(
        'shares',
        'Share of the images that leave after each layer, %',
        ('tolerance', *(f'{layer}, %' for layer in meta.answer_layers[1:])),
        tuple((name, *one.share[1:]) for name, one in _named(own, common)),
    )


def _draw(
    own: RegressionPoint, common: dict[float, RegressionPoint], fixed: list[FixedExit]
) -> Figure:
    return draw_trade_off(
        [(one.speedup_macs, one.error) for one in common.values()],
        fixed,
        (own.speedup_macs, own.error),
        thresholds='tolerance',
        score='mean absolute error',
        legend='upper left',
        label_at=(4, 4),
    )
