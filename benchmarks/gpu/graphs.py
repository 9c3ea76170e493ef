"""Our stages as CUDA graphs beside the peer's eager early exit and a plain ViT, at batch 1.

All in one process on one card, in rounds that take the sides in turn; weights are random and every
exit is forced. A frame begins with pixels on the device and ends with the answer on the host.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.checkout import modules_in
from benchmarks.eevit.rounds import LAYERS, PEER, PLAIN, SHARES, ratios, time_tables, weighted
from benchmarks.gpu.forms import BF16, models_of
from benchmarks.gpu.staged import Answered, StagedForm, answered, captured
from benchmarks.gpu.steps import Outcome
from benchmarks.random_file import random_model
from benchmarks.report_file import Cell, Table
from eevit_ros.model.engine import forcing
from model_export.export.onnx_writer import FP16, FP32
from model_export.network.backbones import Backbone
from model_export.recipe.recipe import Recipe

SURE = 100.0  # logit of a class that nothing outweighs
TARGETS = {  # time of ours as a ratio to the peer's
    'float16, the peer as it comes': (f'graphs {FP16}', PEER, 0.2),
    'float32 both': (f'graphs {FP32}', PEER, 0.33),
    'float16 both': (f'graphs {FP16}', f'{PEER} {FP16}', 0.33),
}
Frame = Callable[[int], object]
"""Runs a frame that leaves after so many layers, and waits for its answer."""


def compare(
    recipe: Recipe, peer: Path | None, device: torch.device, *, rounds: int, runs: int
) -> Outcome:
    """Measure all sides, rounds of `runs` frames at each exit.

    Args:
        recipe: The model of ours, with the thesis' exits.
        peer: A checkout of the peer; None leaves it out.
        device: Where to compute.
        rounds: How often the sides take turns.
        runs: Frames of each exit in a round, of which the median counts.
    """
    size = recipe.backbone.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    image = torch.from_numpy(pixels).to(device)
    frames: dict[str, Frame] = {}
    notes = [
        f'{rounds} rounds of {runs} frames at each exit, batch 1, {size}x{size} pixels, torch '
        f'{torch.__version__}. share: of the thesis, see docs/performance.md. TF32 is off.',
        'graphs: our stages as CUDA graphs. peer: the thesis code in eager torch, as it comes in '
        'float32; in fp16 all its weights and tokens are. plain: a ViT-B/16 without exits in eager '
        'torch; plain graph: the same as one CUDA graph.',
    ]
    if peer:
        frames |= {PEER: peer_frame(peer, device, torch.float32)}
        frames |= {f'{PEER} {FP16}': peer_frame(peer, device, torch.float16)}
    else:
        notes.append('The peer was not measured: there is no checkout of early_exit_vit (--peer).')
    for name, model in models_of(random_model(recipe), device).items():
        frames[f'graphs {name}'] = staged_frame(StagedForm(model, image), model.exit_layers, image)
        if name != BF16:
            frames[f'plain graph {name}'] = plain_frame(model.backbone, image, graph=True)
            plain = PLAIN if name == FP32 else f'{PLAIN} {name}'
            frames[plain] = plain_frame(model.backbone, image, graph=False)
    found = measure(frames, rounds, runs)
    return Outcome([targets(found), *time_tables(found)], notes)


def measure(frames: Mapping[str, Frame], rounds: int, runs: int) -> dict[str, list[dict[str, Any]]]:
    """Return what each round found of each side: `ms` by the layers that ran."""
    for frame in frames.values():
        for layer in SHARES:
            frame(layer)
    names = [*frames]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            ms = {layer: _median_ms(frames[name], layer, runs) for layer in SHARES}
            found[name].append({'ms': ms})
    return found


def _median_ms(frame: Frame, layer: int, runs: int) -> float:
    frame(layer)  # the first prepares the exit
    spent = []
    for _ in range(runs):
        start = time.perf_counter()
        frame(layer)
        spent.append(1e3 * (time.perf_counter() - start))
    return float(np.median(spent))


def targets(found: Mapping[str, list[dict[str, Any]]]) -> Table:
    """Return ours as a ratio to the peer at the thesis' mix of exits, beside its targets."""
    rows: list[list[Cell]] = []
    for what, (ours, theirs, target) in TARGETS.items():
        if theirs in found:
            sides = [[*map(weighted, found[name])] for name in (ours, theirs)]
            reached, low, high = ratios(*sides)
            assert isinstance(reached, float)
            rows.append([what, target, reached, low, high, 'yes' if reached <= target else 'no'])
        else:
            rows.append([what, target, None, None, None, 'not measured'])
    columns = ['at the mix', 'target, at most', 'reached', 'low', 'high', 'met']
    return Table('Time as a ratio to the peer, and the targets', columns, rows)


def staged_frame(staged: StagedForm, exit_layers: tuple[int, ...], image: Tensor) -> Frame:
    """Return a frame of our stages, forced by thresholds."""
    exits = len(exit_layers)
    index_of = {layer: index for index, layer in enumerate((*exit_layers, LAYERS))}

    def run(layer: int) -> None:
        staged.thresholds = forcing(index_of[layer], exits)
        left = staged.run(image)
        assert left.exit_index == index_of[layer], left

    return run


@torch.no_grad()
def plain_frame(backbone: Backbone, image: Tensor, *, graph: bool) -> Frame:
    """Return a frame of the network without exits; it takes as long whatever is asked for."""

    def answer(x: Tensor) -> Answered:
        return answered(x, backbone(x))

    function = captured(answer, image) if graph else answer

    @torch.no_grad()
    def run(_: int) -> list[float]:
        summary: list[float] = function(image).summary.tolist()
        return summary

    return run


def peer_frame(checkout: Path, device: torch.device, dtype: torch.dtype) -> Frame:
    """Return a frame of the peer's model, built by its own code and configuration.

    Exits are forced by the biases of their classifiers.
    """
    with in_type(dtype):
        model, shape = load_peer(checkout)
    model = model.to(device, dtype).eval()
    pixels = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    layers: Any = model.get_submodule('transformer.layers')
    exits = {
        layer + 1: block.highway.classifier.classifier.bias
        for layer, block in enumerate(layers)
        if hasattr(block.highway, 'classifier')
    }
    forced = [0]

    @torch.no_grad()
    def run(layer: int) -> None:
        if forced[0] != layer:
            for number, bias in exits.items():
                bias.zero_()
                bias[0] = SURE * (number == layer)
            forced[0] = layer
        with in_type(dtype):
            left = float(model(pixels)[0, -1])
        assert left == (layer - 1 if layer in exits else -1), left

    return run


def load_peer(checkout: Path) -> tuple[nn.Module, tuple[int, ...]]:
    """Return the peer's model with its published configuration, and the shape of its input."""
    arguments, models = modules_in(checkout, 'utils.arg_utils', 'utils.model_utils')
    config = arguments.get_config_dict(str(checkout / 'config' / 'run_args.yaml'))
    sizes = config['dataset']
    torch.manual_seed(0)
    model: nn.Module = models.get_model(arguments.parse_config_dict(config['model']), verbose=False)
    return model, (1, sizes['channels_num'], sizes['image_size'], sizes['image_size'])


@contextmanager
def in_type(dtype: torch.dtype) -> Iterator[None]:
    """Let new tensors be of a type: the peer's code makes some on the way."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
