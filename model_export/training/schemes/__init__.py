"""Training schemes: which parameters a stage trains, and the loss of a batch.

A recipe names one for each stage. One of your own is a class in a module of yours:

    class MyScheme(Scheme):
        trains = ('backbone', 'heads')

        def forward(self, image, target, step, steps):
            return sum(self.hard_loss(logits, target) for logits in self.model(image))

    stages:
      - {scheme: my_module.MyScheme, epochs: 2}

The built-in ones have the short names below; `@register_scheme('mine')` gives yours one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.checked import build
from model_export.recipe.lookup import find_class
from model_export.recipe.recipe import Recipe, StageRecipe
from model_export.training.schemes.backbone import BackboneOnly
from model_export.training.schemes.base import Features, HeadScheme, Scheme, phase_of
from model_export.training.schemes.beem import Beem
from model_export.training.schemes.byot import BeYourOwnTeacher
from model_export.training.schemes.classifier_wise import ClassifierWise
from model_export.training.schemes.cosee import Cosee
from model_export.training.schemes.end_to_end import EndToEnd
from model_export.training.schemes.envit import EnViT
from model_export.training.schemes.layer_wise import LayerWise
from model_export.training.schemes.lgvit import LGViT
from model_export.training.schemes.regression import Regression
from model_export.training.schemes.sdn import ShallowDeep
from model_export.training.schemes.vit_ee import ViTEE

__all__ = [
    'HeadScheme',
    'Scheme',
    'Features',
    'build_scheme',
    'check_stages',
    'phase_of',
    'register_scheme',
    'scheme_names',
]

_SCHEMES: dict[str, type[Scheme]] = {
    'backbone': BackboneOnly,
    'classifier_wise': ClassifierWise,
    'end_to_end': EndToEnd,
    'lgvit': LGViT,
    'envit': EnViT,
    'vit_ee': ViTEE,
    'sdn': ShallowDeep,
    'byot': BeYourOwnTeacher,
    'regression': Regression,
    'beem': Beem,
    'cosee': Cosee,
    'layer_wise': LayerWise,
}

SchemeClass = TypeVar('SchemeClass', bound=type[Scheme])


def register_scheme(name: str) -> Callable[[SchemeClass], SchemeClass]:
    """Make a scheme available to recipes under `name`."""

    def register(cls: SchemeClass) -> SchemeClass:
        if name in _SCHEMES:
            raise ModelExportError(f'a scheme named {name!r} exists already: {_SCHEMES[name]}')
        _SCHEMES[name] = cls
        return cls

    return register


def scheme_names() -> list[str]:
    """Return the names that recipes may use for `scheme`."""
    return sorted(_SCHEMES)


def check_stages(recipe: Recipe, where: str = '') -> None:
    """Refuse a recipe with a stage that no scheme can train.

    Args:
        recipe: Recipe to check.
        where: Name of the recipe in errors, before the number of the stage.

    Raises:
        ModelExportError: A stage's scheme or a parameter is unknown, its scheme is for another
            task, or it trains the backbone whose features are to be cached.
    """
    for number, stage in enumerate(recipe.stages):
        _scheme_class(stage, f'{where}stages[{number}]', recipe.task)


def _scheme_class(stage: StageRecipe, where: str, task: str) -> type[Scheme]:
    """Return the class of a stage's scheme, checked as `check_stages` does."""
    try:
        cls: type[Scheme] = find_class('scheme', stage.scheme, _SCHEMES, (Scheme,))
        if cls.task != task:
            raise ModelExportError(
                f'scheme {stage.scheme!r} is for task {cls.task}, and the task is {task}'
            )
        build(cls.params_type, f'params of scheme {stage.scheme!r}', stage.params)
    except ModelExportError as err:
        raise ModelExportError(f'{where}: {err}') from err
    if stage.cache_features and not issubclass(cls, HeadScheme):
        raise ModelExportError(
            f'{where}: cache_features needs a scheme that freezes the backbone, but '
            f'{stage.scheme!r} trains it: drop cache_features'
        )
    return cls


def build_scheme(stage: StageRecipe, model: EarlyExitViT, where: str) -> Scheme:
    """Return a stage's scheme for a model, which does not change yet.

    Raises:
        ModelExportError: Scheme or parameters are unknown, or do not fit the model.
    """
    cls = _scheme_class(stage, where, model.recipe.task)
    params = build(cls.params_type, where, stage.params)
    try:
        return cls(model, params, stage.label_smoothing)
    except ModelExportError as err:
        raise ModelExportError(f'{where}: {err}') from err
