"""The plan of a comparison: one YAML file that says which systems are trained, on what budget.

    name: of the comparison
    base: what every recipe shares: num_classes, held_out, held_out_seed, backbone
    stage: what every training stage shares: epochs, batch_size, ...
    exits: {NAME: list of exits, as in a recipe}
    systems:
      - {name, title, exits: NAME, stages: list of stages, start: another system's name or none}

A system starts from the backbone that all are given, or from that of `start`, trained with the
same seed: so do methods that attach heads to a finished network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model_export.errors import ModelExportError
from model_export.recipe.checked import build, read_yaml
from model_export.recipe.recipe import Recipe, recipe_from_dict
from model_export.training.schemes import check_stages


@dataclass(frozen=True)
class SystemPlan:
    """One row of the comparison, as the file has it.

    Attributes:
        name: Short, of files.
        title: Name in tables, with its reference.
        exits: Name of its list of exits.
        stages: Training stages, without what all share.
        start: The system whose backbone it starts from; empty for the one that all are given.
        early: Whether its early exits are trained, so that it is part of the trade-off.
        ablation: Whether it is part of another system, shown beside it exit by exit.
    """

    name: str
    title: str
    exits: str
    stages: list[Any]
    start: str = ''
    early: bool = True
    ablation: bool = False


@dataclass(frozen=True)
class _File:
    name: str
    base: dict[str, Any]
    stage: dict[str, Any]
    exits: dict[str, Any]
    systems: list[Any]


@dataclass(frozen=True)
class System:
    """A system and its recipe with the plan's seed; `seeded` gives those of the other runs."""

    plan: SystemPlan
    recipe: Recipe

    def seeded(self, seed: int) -> Recipe:
        """Return the recipe of the run with this seed; the held-out images stay the same."""
        return replace(self.recipe, name=f'{self.plan.name}-{seed}', seed=seed)


@dataclass(frozen=True)
class ComparisonPlan:
    """A checked plan.

    Attributes:
        name: Name of the comparison.
        systems: Systems in the file's order; each comes after the one that it starts from.
    """

    name: str
    systems: tuple[System, ...]


def load_plan(path: Path) -> ComparisonPlan:
    """Read and check a plan.

    Raises:
        ModelExportError: The file is missing or not a plan, a system does not fit its recipe, or
            one starts from another that is not listed before it.
    """
    file = build(_File, f'plan {path}', read_yaml(path, 'plan'))
    systems: list[System] = []
    for index, entry in enumerate(file.systems):
        plan = build(SystemPlan, f'systems[{index}]', entry)
        before = [system.plan.name for system in systems]
        if plan.name in before:
            raise ModelExportError(f'{path}: there are two systems named {plan.name!r}')
        if plan.start and plan.start not in before:
            raise ModelExportError(
                f'{path}: system {plan.name!r} starts from {plan.start!r}, which must stand before '
                f'it. There are {before}'
            )
        if plan.exits not in file.exits:
            raise ModelExportError(
                f'{path}: system {plan.name!r} has exits {plan.exits!r}; known are '
                f'{sorted(file.exits)}'
            )
        systems.append(System(plan, _recipe(file, plan)))
    if not systems:
        raise ModelExportError(f'{path}: systems must be one at least')
    return ComparisonPlan(file.name, tuple(systems))


def _recipe(file: _File, plan: SystemPlan) -> Recipe:
    stages = [
        {**file.stage, **stage} if isinstance(stage, dict) else stage for stage in plan.stages
    ]
    where = f'system {plan.name!r}'
    try:
        recipe = recipe_from_dict(
            {**file.base, 'name': plan.name, 'exits': file.exits[plan.exits], 'stages': stages}
        )
    except ModelExportError as err:
        raise ModelExportError(f'{where}: {err}') from err
    if recipe.task != 'classification':
        raise ModelExportError(f'{where}: only classifiers are compared. Got task {recipe.task!r}')
    check_stages(recipe, f'{where}, ')
    return recipe
