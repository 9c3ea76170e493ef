"""What each part of a model has in parameters and does in multiply-accumulates."""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from model_export.network.backbones.base import AFTER_LAYERS
from model_export.network.early_exit import EarlyExitViT

# The first that a name of a module or parameter matches, in the order of tables and pictures.
COMPONENTS = {
    'head classifier': r'^heads\.\d+\.(trunk_)?classifier',
    'head neck': r'^heads\.',
    'attention': r'^backbone\.blocks\.\d+.*attn',
    'MLP': r'^backbone\.blocks\.\d+.*mlp',
    'patch merging': r'^backbone\.blocks\.\d+.*(merg|downsample|reduction)',
    'norms and gains': r'^backbone\.(.*\.)?(norm|scale)\d?\b',
    'final classifier': r'^backbone\.classifier',
    'embedding': r'^backbone\.(model\.)?[a-z_]*(embed|token|norm|stem)',
    'other': '',
}
ORDER = (
    *('embedding', 'attention', 'MLP', 'patch merging', 'norms and gains'),
    *('head neck', 'head classifier', 'final classifier', 'other'),
)
FINAL = 'final'


@dataclass(frozen=True)
class Cost:
    """Parameters and MACs of one component in one place."""

    parameters: int = 0
    macs: int = 0

    def __add__(self, other: Cost) -> Cost:
        """Add both."""
        return Cost(self.parameters + other.parameters, self.macs + other.macs)


Costs = dict[tuple[str, str], Cost]
"""By (place, component); a place is 'embedding', a layer's number, 'head after N', or 'final'."""


def count(model: EarlyExitViT) -> Costs:
    """Count all MACs of a model, and the parameters that its answers depend on, each once."""
    size = model.recipe.backbone.image_size
    image = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    costs: Costs = defaultdict(Cost)
    for name, parameters in _used(model, image).items():
        costs[_place(model, name), _component(name)] += Cost(parameters=parameters)
    # The counter would hook a gradient into what a module of timm makes of a parameter alone.
    model = copy.deepcopy(model).requires_grad_(False)
    counter = FlopCounterMode(display=False)
    # A module's own MACs are what it adds less what the modules inside it add.
    inside: list[int] = []
    began: list[int] = []

    def enter(module: nn.Module, _: Any) -> None:
        began.append(counter.get_total_flops())
        inside.append(0)

    def leave(name: str) -> Any:
        def hook(module: nn.Module, _: Any, output: Tensor) -> None:
            total = counter.get_total_flops() - began.pop()
            own = total - inside.pop()
            if inside:
                inside[-1] += total
            costs[_place(model, name), _component(name)] += Cost(macs=own // 2)

        return hook

    handles = []
    for name, module in model.named_modules():
        if name:
            handles.append(module.register_forward_pre_hook(enter))
            handles.append(module.register_forward_hook(leave(name)))
    try:
        # The plain attention, because torch does not count the fused one of CPUs.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            model(image)
    finally:
        for handle in handles:
            handle.remove()
    return {key: cost for key, cost in costs.items() if cost != Cost()}


def _used(model: EarlyExitViT, image: Tensor) -> dict[str, int]:
    """Return sizes of the parameters with a gradient: a folded head still holds its tail."""
    parameters = {
        name: parameter.detach().requires_grad_() for name, parameter in model.named_parameters()
    }
    with torch.enable_grad():
        logits = torch.func.functional_call(model, parameters, (image,))
    gradients = torch.autograd.grad(logits.sum(), list(parameters.values()), allow_unused=True)
    return {
        name: parameter.numel()
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True)
        if gradient is not None
    }


def total(costs: Costs) -> Cost:
    """Return the sum of all costs."""
    return sum(costs.values(), Cost())


def _component(name: str) -> str:
    return next(found for found, pattern in COMPONENTS.items() if re.search(pattern, name))


def _place(model: EarlyExitViT, name: str) -> str:
    if head := re.match(r'heads\.(\d+)', name):
        return f'head after {model.exit_layers[int(head[1])]}'
    if layer := re.match(r'backbone\.blocks\.(\d+)', name):
        return str(int(layer[1]) + 1)
    return FINAL if AFTER_LAYERS.match(f'{name.removeprefix("backbone.")}.') else 'embedding'


def places(model: EarlyExitViT) -> list[str]:
    """Return the places of all but the heads, in the order in which an image meets them."""
    layers = range(1, model.recipe.backbone.layers + 1)
    return ['embedding', *map(str, layers), FINAL]
