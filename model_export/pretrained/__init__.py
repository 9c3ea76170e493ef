"""Start a model from trained weights, whoever trained them.

    start_from(model, Path('vit-base'))     # a folder from a model hub, a file, or a run of ours

Each form of weights is a module here with a table of names; a file is recognised by its own names.
Nothing is downloaded and no code in a file runs.
May import: weights, network, recipe, errors.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.pretrained import eevit, hugging_face, lgvit, swin, timm_vit
from model_export.pretrained.config import check_config, note_on_pixels
from model_export.pretrained.files import read_tensors
from model_export.pretrained.fit import check_fit, fits
from model_export.pretrained.onnx_file import read_onnx
from model_export.pretrained.own import is_own, read_own
from model_export.pretrained.weight_format import State, resize_positions

# The first that recognises a file converts it.
FORMATS = (
    lgvit.FORMAT,
    hugging_face.FORMAT,
    timm_vit.FORMAT,
    eevit.FORMAT,
    swin.HUGGING_FACE,
    swin.TIMM,
)
POSITIONS = 'backbone.pos_embed'


def start_from(model: EarlyExitViT, source: Path) -> str:
    """Copy trained weights into `model`, in place.

    The backbone must fit the recipe, but for the image size: positions are resized to the model's
    grid. Its classifier is taken if the number of classes is the same. Exit heads are taken from a
    source that has them (LGViT) if the recipe has as many.

    Args:
        model: The model to initialise.
        source: A safetensors file, a state dict saved by torch, a folder as downloaded from a
            model hub, an ONNX file of a DINOv2 ViT, a training run or a folder of saved weights.

    Returns:
        A sentence or two that say what was taken, and what to look at.

    Raises:
        ModelExportError: The source is missing, cannot be read, is of no known form, or does not
            fit; the message lists keys that are missing, left over, or of another shape.
    """
    if not source.exists():
        raise ModelExportError(f'no such file or folder: {source}')
    name, state = _read(model, source)
    backbone = model.backbone
    notes = [f'started from {source}: {name}']
    if POSITIONS in state:
        resized = resize_positions(
            state[POSITIONS], backbone.recipe.class_tokens, backbone.recipe.grid
        )
        if resized.shape != state[POSITIONS].shape:
            notes.append(f'positions resized to a grid of {backbone.recipe.grid}')
        state[POSITIONS] = resized
    heads = _take(state, 'heads.')
    kept = _drop_classifier(backbone, state, 'backbone.')
    classes = model.recipe.num_classes
    notes.append(
        f'classifier {"taken" if kept else f"at random: it has none of {classes} classes"}'
    )
    wanted = {f'backbone.{key}': value for key, value in backbone.state_dict().items()}
    if not kept:
        _take(wanted, 'backbone.classifier.')
    check_fit(wanted, state, f'{source} ({name})')
    if heads:
        notes.append(_take_heads(model, heads, f'{source} ({name})'))
    _copy(backbone, state, 'backbone.')
    notes += note_on_pixels(source, backbone.recipe)
    return '; '.join(notes)


def _read(model: EarlyExitViT, source: Path) -> tuple[str, State]:
    recipe = model.recipe.backbone
    if is_own(source):
        return 'a run or weights of ours', read_own(source, recipe)
    if source.suffix == '.onnx':
        return 'a DINOv2 in ONNX', read_onnx(source, recipe)
    tensors = read_tensors(source)
    for known in FORMATS:
        if known.recognises(tensors):
            check_config(source, model.recipe)
            return known.name, known.convert(tensors, recipe)
    raise ModelExportError(
        f'{source} holds weights of an unknown form; known are {[s.name for s in FORMATS]}. '
        f'Its {len(tensors)} names begin with {sorted(tensors)[:5]}'
    )


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
