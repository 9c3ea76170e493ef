"""Our staged form in torch: each stretch between two exits is one CUDA graph.

The host starts a stretch, waits for its answer's confidence, and leaves or starts the next one. On
the CPU the same code runs the stretches as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from model_export.network.early_exit import EarlyExitViT

WARM_UP = 3  # runs before a capture: libraries choose their kernels and take their memory


class Answered(NamedTuple):
    """What a stretch leaves behind on the device.

    Attributes:
        tokens: What the next stretch takes; of the last one its own input.
        probabilities: float32 (1, C).
        summary: float32 (2,): confidence and class, which go to the host.
    """

    tokens: Tensor
    probabilities: Tensor
    summary: Tensor


Stretch = Callable[[Tensor], Answered]


class Left(NamedTuple):
    """An image's answer: where it left, what it is and how sure that is."""

    exit_index: int
    label: int
    confidence: float


class StagedForm:
    """A deployed model that answers one image after the other.

    Attributes:
        thresholds: E confidences above which an image leaves.
        probabilities: Of the last answer, float32 (1, C) on the device.
    """

    @torch.no_grad()
    def __init__(self, model: EarlyExitViT, image: Tensor) -> None:
        """Capture the stretches.

        Args:
            model: In its deployed form, on its device.
            image: Any image uint8 (1, H, W, 3) on that device.
        """
        self.thresholds: Sequence[float] = [1.0] * len(model.heads)
        self.probabilities = torch.zeros(0)
        self._image = image.clone()
        self._stretches: list[Stretch] = []
        self._host = torch.zeros(2, pin_memory=image.is_cuda)
        x = self._image
        for function in stretches_of(model):
            self._stretches.append(captured(function, x))
            x = self._stretches[-1](x).tokens

    @torch.no_grad()
    def run(self, image: Tensor) -> Left:
        """Answer an image uint8 (1, H, W, 3) on the device; wait for the answer."""
        x = self._image
        x.copy_(image)
        for index, stretch in enumerate(self._stretches):
            x, self.probabilities, summary = stretch(x)
            self._host.copy_(summary, non_blocking=True)
            if image.is_cuda:
                torch.cuda.current_stream().synchronize()
            confidence, label = self._host.tolist()
            if index == len(self.thresholds) or confidence > self.thresholds[index]:
                return Left(index, int(label), confidence)
        raise AssertionError('the last stretch answers always')


def stretches_of(model: EarlyExitViT) -> list[Stretch]:
    """Return the stretches, each from the tokens that the one before leaves; first the image."""
    backbone = model.backbone

    def to_exit(x: Tensor, index: int) -> Answered:
        layer, after = model.exit_layers[index], model.exit_layers[index - 1] if index else 0
        tokens = backbone.run_layers(x if index else backbone.embed(x), after, layer)
        return answered(tokens, model.heads[index](backbone.exit_tokens(tokens, layer)))

    def to_end(x: Tensor) -> Answered:
        tokens = backbone.run_layers(x, model.exit_layers[-1], len(backbone.blocks) - 1)
        return answered(x, backbone.classify(tokens))

    exits = range(len(model.heads))
    return [*(lambda x, index=index: to_exit(x, index) for index in exits), to_end]


def answered(tokens: Tensor, logits: Tensor) -> Answered:
    """Return what a stretch leaves behind."""
    probabilities = logits.float().softmax(-1)
    confidence, label = probabilities[0].max(-1)
    return Answered(tokens, probabilities, torch.stack([confidence, label.float()]))


def captured(function: Callable[[Tensor], Answered], x: Tensor) -> Stretch:
    """Return a CUDA graph of a function of `x`, which keeps its place; on the CPU the function."""
    if not x.is_cuda:
        return function
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            function(x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = function(x)

    def replay(_: Tensor) -> Answered:
        graph.replay()
        return found

    replay(x)  # its tokens are what the next stretch is captured with
    return replay
