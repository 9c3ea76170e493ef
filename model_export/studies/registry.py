"""All studies by name, and what each needs.

The study NAME is `study(inputs: StudyInputs) -> Study` in `studies/NAME/study.py`. That
file is imported when the study runs: torch and matplotlib are slow to import.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from model_export.errors import UsageError
from model_export.studies.report import Study


@dataclass(frozen=True)
class StudyInputs:
    """What the command line gives to every study.

    Attributes:
        model: The `.onnx` file.
        weights: Folder of a training run or of saved weights, or a recipe's YAML file.
        data: Folder of the data set.
        out: Folder for the results.
        limit: Most images to use, to try a study out.
        cache: Folder where answers of a model are kept between studies, if any.
        machine: A name for this machine, for the study `platform`.
        merge: Files of machines to merge instead of measuring this one, for `platform`.
        images: Training images of each head, for studies that train heads; None: their default.
        epochs: Passes over these images; None: their default.
        plan: YAML file of a comparison, for `schemes`.
        seeds: Seeds of the runs to do, for `schemes`; empty: only show those that are done.
    """

    out: Path
    model: Path | None = None
    weights: Path | None = None
    data: Path | None = None
    limit: int | None = None
    cache: Path | None = None
    machine: str | None = None
    merge: tuple[Path, ...] = ()
    images: int | None = None
    epochs: int | None = None
    plan: Path | None = None
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Entry:
    """What a study is given.

    Attributes:
        needs: The inputs that it must have.
        takes: Further inputs that it uses where they are given.
        apart: Whether it studies a model of another task, so that `all` skips it.
    """

    needs: tuple[str, ...]
    takes: tuple[str, ...] = ()
    apart: bool = False


# In the order of docs/studies.md.
STUDIES: dict[str, Entry] = {
    'cost': Entry(('weights',)),
    'thresholds': Entry(('model', 'data')),
    'latency': Entry(('model',), takes=('weights',)),
    'platform': Entry(('model',)),
    'heads': Entry(('weights', 'data'), takes=('images', 'epochs')),
    'placement': Entry(('weights', 'data'), takes=('images', 'epochs')),
    'schemes': Entry(('plan',), takes=('weights', 'data', 'cache', 'seeds')),
    'classes': Entry(('model', 'data')),
    'looking': Entry(('model', 'weights', 'data')),
    'counting': Entry(('model', 'data'), apart=True),
}


def missing_inputs(name: str, inputs: StudyInputs) -> list[str]:
    """Return the inputs that a study needs and does not have."""
    return [need for need in STUDIES[name].needs if getattr(inputs, need) is None]


def run_study(name: str, inputs: StudyInputs) -> Study:
    """Run one study.

    Raises:
        ModelExportError: There is no such study, or one of its inputs is missing.
    """
    if name not in STUDIES:
        raise UsageError(f'study must be one of {tuple(STUDIES)}. Got {name!r}')
    missing = missing_inputs(name, inputs)
    if missing:
        raise UsageError(f'study {name} needs --{" --".join(missing)}')
    study: Callable[[StudyInputs], Study] = import_module(
        f'model_export.studies.{name}.study'
    ).study
    return study(inputs)
