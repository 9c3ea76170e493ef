"""Start a model from trained weights, whoever trained them.

    start_from(model, Path('vit-base'))     # a folder from a model hub, a file, or a run of ours

Each form of weights is a module of `forms/` with a table of names; a file is recognised by its own
names. Models of timm take theirs by timm's own rules (`timm_model`). Nothing is downloaded and no
code in a file runs.
May import: weights, network, recipe, timm_models, errors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from model_export.errors import ModelExportError
from model_export.network.backbones import TimmBackbone
from model_export.network.early_exit import EarlyExitViT
from model_export.pretrained import own, timm_model
from model_export.pretrained.config import check_config, note_on_pixels
from model_export.pretrained.files import CURE, pickled_objects, read_content
from model_export.pretrained.fit import check_finite, check_fit, few, fits
from model_export.pretrained.forms import eevit, hugging_face, lgvit, swin, timm_vit, torchvision
from model_export.pretrained.forms.weight_format import State, resize_positions
from model_export.pretrained.hints import backbone_in, recipe_hint, unsupported
from model_export.pretrained.networks import Network, find_networks, nearest, state_dicts
from model_export.pretrained.onnx_file import read_onnx
from model_export.pretrained.own import own_folder, read_own
from model_export.recipe.recipe import BackboneRecipe

# The first that recognises a file converts it.
FORMATS = (
    lgvit.FORMAT,
    hugging_face.FORMAT,
    timm_vit.FORMAT,
    eevit.FORMAT,
    swin.HUGGING_FACE,
    swin.TIMM,
    torchvision.VIT,
    torchvision.SWIN,
    own.FORMAT,
)
POSITIONS = ('backbone.pos_embed', 'backbone.model.pos_embed')  # ours, and timm's


def start_from(model: EarlyExitViT, source: Path) -> str:
    """Copy trained weights into `model`, in place.

    The backbone must fit the recipe, but for the image size: positions are resized to the model's
    grid. Its classifier is taken if the number of classes is the same. Exit heads are taken from a
    source that has them (LGViT) if the recipe has as many, and from our own weights if the recipe
    has the same.

    Args:
        model: The model to initialise.
        source: A safetensors file, what a training script saved by torch, a folder as downloaded
            from a model hub, an ONNX file of a DINOv2 ViT, a training run or a folder of saved
            weights. Of several networks in a file the first that fits is taken, in the order
            moving average, best, teacher, others, student or current.

    Returns:
        A sentence or two that say what was taken, and what to look at.

    Raises:
        ModelExportError: The source is missing, cannot be read, is of no known form, or does not
            fit; the message lists keys that are missing, left over, or of another shape.
    """
    if not source.exists():
        raise ModelExportError(f'no such file or folder: {source}')
    backbone = model.backbone
    if isinstance(backbone, TimmBackbone) and not own_folder(source):
        taken = timm_model.start_from(backbone, model.recipe.num_classes, source)
        return '; '.join(
            [f'started from {source}: {taken}', *note_on_pixels(source, backbone.recipe)]
        )
    name, state, remarks, hint = _read(model, source)
    notes = [f'started from {source}: {name}', *remarks]
    _, grid = backbone.recipe.exit_shape(1)
    wanted = _wanted(backbone, with_classifier=False)
    for key in POSITIONS:
        if key not in state or key not in wanted or not isinstance(grid, int):
            continue
        resized = resize_positions(state[key], wanted[key].shape[1] - grid**2, grid)
        if resized.shape != state[key].shape:
            notes.append(f'positions resized to a grid of {grid}')
        state[key] = resized
    heads = _take(state, 'heads.')
    notes.append(_note_on_classifier(model, state))
    kept = _drop_classifier(backbone, state, 'backbone.')
    check_fit(_wanted(backbone, kept), state, f'{source} ({name})', hint)
    if heads:
        notes.append(_take_heads(model, heads, f'{source} ({name})'))
    _copy(backbone, state, 'backbone.')
    notes += note_on_pixels(source, backbone.recipe)
    return '; '.join(notes)


def _read(model: EarlyExitViT, source: Path) -> tuple[str, State, list[str], str]:
    """Return a source's form, its tensors under our names, remarks, and a hint if they misfit."""
    recipe = model.recipe.backbone
    if folder := own_folder(source):
        return 'a run or weights of ours', read_own(folder, model.recipe), [], ''
    assert isinstance(recipe, BackboneRecipe)
    if source.suffix.lower() == '.onnx':
        return 'a DINOv2 in ONNX', read_onnx(source, recipe), [], ''
    content = read_content(source)
    networks = find_networks(content, FORMATS)
    if not networks:
        raise ModelExportError(_why_unknown(model, source, content))
    check_config(source, model.recipe)
    # Conversion is cheap: it renames. Lists of shapes decide which network the recipe means.
    converted = [network.known.convert(dict(network.state), recipe) for network in networks]
    at = next((i for i, state in enumerate(converted) if _would_fit(model, state)), 0)
    network, state = networks[at], converted[at]
    check_finite(state, source)
    hint = unsupported(network.state) or recipe_hint(backbone_in(network.state, state), recipe)
    return network.known.name, state, _remarks(network, networks), hint


def _remarks(taken: Network, networks: list[Network]) -> list[str]:
    remarks = []
    if others := [network.where for network in networks if network is not taken]:
        remarks.append(
            f'{taken.where or "the outer one"} is taken of its {len(networks)} networks,'
            f' not {few(others)}'
        )
    if taken.beside:
        remarks.append(f'{len(taken.beside)} tensors beside it are not used: {few(taken.beside)}')
    return remarks


def _why_unknown(model: EarlyExitViT, source: Path, content: Any) -> str:
    """Return what a file holds in which no form was found."""
    tensors = max((state for _, state in state_dicts(content)), key=len, default={})
    objects = pickled_objects(content)
    if objects and not any('.' in name for name in tensors):  # an optimizer's names have no dot
        return (
            f'{source} holds a whole pickled model, loading it would run code: its objects are of '
            f'{few(objects)}. {CURE}'
        )
    if not tensors:
        inside = sorted(map(str, content)) if isinstance(content, dict) else []
        return (
            f'{source} must hold a state dict, names and tensors. Got {type(content).__name__} '
            f'with {inside[:5] or "nothing that has a name"}: save the state_dict() of the model'
        )
    if what := unsupported(tensors):
        return f'{source} cannot be used: {what}. {_SUPPORTED}'
    words = f'{source} holds weights of an unknown form. '
    wanted = _wanted(model.backbone, with_classifier=False)
    assert isinstance(model.recipe.backbone, BackboneRecipe)
    near = nearest(content, FORMATS, model.recipe.backbone, wanted)
    if near is None:
        return (
            f'{words}None of its {len(tensors)} names is known; they begin with '
            f'{sorted(tensors)[:5]}. {_SUPPORTED}'
        )
    known, where, state = near
    known_names = (*wanted, 'backbone.classifier.', 'heads.')
    unknown = [name for name in state if not name.startswith(known_names)]
    missing = [name for name in wanted if name not in state]
    return (
        f'{words}Nearest is {known.name}{f" below {where}." if where else ""}, which knows '
        f'{len(state) - len(unknown)} of {len(state)} names. Unknown are {len(unknown)}: '
        f'{few(unknown) or "none"}; not found are {len(missing)}, under our names: {few(missing)}'
    )


_SUPPORTED = f'Known are {few([known.name for known in FORMATS], len(FORMATS))}'


def _wanted(backbone: nn.Module, with_classifier: bool) -> State:
    wanted = {f'backbone.{key}': value for key, value in backbone.state_dict().items()}
    if not with_classifier:
        _take(wanted, 'backbone.classifier.')
    return wanted


def _would_fit(model: EarlyExitViT, state: State) -> bool:
    """Return whether a network has the shapes of the model's backbone, but for what may differ."""
    found = {name: t for name, t in state.items() if not name.startswith('heads.')}
    _take(found, 'backbone.classifier.')
    wanted = _wanted(model.backbone, with_classifier=False)
    for one in (wanted, found):
        one.pop(POSITIONS[0], None)
    return fits(wanted, found)


def _note_on_classifier(model: EarlyExitViT, state: State) -> str:
    found = {name: t for name, t in state.items() if name.startswith('backbone.classifier.')}
    classifier = model.backbone.get_submodule('classifier').state_dict()
    if fits({f'backbone.classifier.{key}': value for key, value in classifier.items()}, found):
        return 'classifier taken'
    classes = model.recipe.num_classes
    theirs = {len(tensor) for tensor in found.values()}
    if len(theirs) == 1 and theirs != {classes}:
        return f'classifier at random: it has {theirs.pop()} classes, the recipe {classes}'
    return f'classifier at random: it has none of {classes} classes'


def _take_heads(model: EarlyExitViT, state: State, source: str) -> str:
    """Copy exit heads, those of `state` in their order, or say why not."""
    count = 1 + max(int(name.split('.')[1]) for name in state)
    if count != len(model.heads):
        return f'its {count} exit heads are not used: the recipe has {len(model.heads)}'
    kept = True
    wanted: State = {}
    for number, head in enumerate(model.heads):
        kept &= _drop_classifier(head, state, f'heads.{number}.')
        wanted.update({f'heads.{number}.{k}': v for k, v in head.state_dict().items()})
        if not kept:
            _take(wanted, f'heads.{number}.classifier.')
    check_fit(wanted, state, source)
    for number, head in enumerate(model.heads):
        _copy(head, state, f'heads.{number}.')
    return f'{count} exit heads taken' + ('' if kept else ' without their classifiers')


def _drop_classifier(owner: nn.Module, state: State, prefix: str) -> bool:
    """Drop `classifier` from the state if it does not fit its owner's; return whether it fits."""
    prefix = f'{prefix}classifier.'
    found = _take(state, prefix)
    classifier = owner.get_submodule('classifier').state_dict()
    if not fits({f'{prefix}{key}': value for key, value in classifier.items()}, found):
        return False
    state.update(found)
    return True


def _take(state: State, prefix: str) -> State:
    """Remove all that begins with `prefix` from the state, and return it."""
    return {name: state.pop(name) for name in list(state) if name.startswith(prefix)}


def _copy(module: nn.Module, state: State, prefix: str) -> None:
    tensors = {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
    module.load_state_dict(tensors, strict=False)  # checked already; a classifier may be missing
