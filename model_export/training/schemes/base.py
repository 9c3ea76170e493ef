"""Base classes of training schemes: which parameters a stage trains, and the loss of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_export.network.backbones import Backbone
from model_export.network.early_exit import EarlyExitViT


@dataclass(frozen=True)
class NoParams:
    """The parameters of a scheme that has none."""


class Scheme(nn.Module):
    """One way to train a stage. Subclasses give the loss; their own parameters are trained too.

    Attributes:
        trains: Parts of the model that learn: 'backbone', 'heads' or both.
        params_type: Dataclass that checks itself; its fields are the recipe's `params`.
        phases: Equal parts of the stage; the learning rate rises and falls in each.
        task: Task of the recipes it is for: 'classification' or 'regression'.
    """

    task: ClassVar[str] = 'classification'
    trains: ClassVar[tuple[str, ...]] = ('backbone', 'heads')
    params_type: ClassVar[type[Any]] = NoParams
    phases: int = 1

    def __init__(self, model: EarlyExitViT, params: Any, label_smoothing: float = 0.0) -> None:
        """Train `model`, which does not change until the trainer takes a step.

        Raises:
            ModelExportError: The model cannot be trained this way.
        """
        super().__init__()
        self.model = model
        self.params = params
        self.label_smoothing = label_smoothing

    def forward(self, image: Tensor, target: Tensor, step: int, steps: int) -> Tensor:
        """Return the loss of a batch, the mean over its images.

        Args:
            image: uint8 (or float of the same range) (B, H, W, 3), RGB.
            target: Labels int64 (B,), or shares of the classes float32 (B, C).
            step: Step of this stage, from 0.
            steps: Steps of this stage.
        """
        raise NotImplementedError

    def hard_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the cross entropy with the labels, smoothed as the stage says."""
        return F.cross_entropy(logits.float(), target, label_smoothing=self.label_smoothing)


class Features(NamedTuple):
    """Output of a frozen backbone for a batch; None where the scheme does not need it.

    Attributes:
        tokens: Input of each head, (B, K + grid * grid, D).
        logits: Final classifier's, float32 (B, C).
        last: Tokens after the last layer and the final norm, in the form of a head's input.
    """

    tokens: list[Tensor]
    logits: Tensor | None
    last: Tensor | None

    def map(self, change: Callable[[Tensor], Tensor]) -> Features:
        """Return the same with each tensor changed."""
        return Features(
            [change(x) for x in self.tokens],
            None if self.logits is None else change(self.logits),
            None if self.last is None else change(self.last),
        )

    def parts(self) -> list[Tensor]:
        """Return the tensors that are not None."""
        return [x for x in (*self.tokens, self.logits, self.last) if x is not None]


@torch.no_grad()
def backbone_features(
    backbone: Backbone, image: Tensor, layers: Sequence[int], *, logits: bool, last: bool
) -> Features:
    """Run a frozen backbone as far as needed.

    Args:
        backbone: Backbone in evaluation mode.
        image: uint8 (B, H, W, 3), RGB.
        layers: Layers whose tokens are kept (from 1, rising, without the last layer).
        logits: Whether to keep the final classifier's logits.
        last: Whether to keep the tokens after the last layer.
    """
    end = len(backbone.blocks) - 1
    stops = [*layers, end] if logits or last else [*layers]
    outputs = list(backbone.walk(image, stops))
    tokens = [backbone.exit_tokens(x, layer) for x, layer in zip(outputs, layers, strict=False)]
    final = backbone.classify(outputs[-1]).float() if logits else None
    if not last:
        return Features(tokens, final, None)
    x = backbone.run_layers(outputs[-1], end, end + 1)
    return Features(tokens, final, backbone.final_tokens(x))


class HeadScheme(Scheme):
    """Scheme on a frozen backbone, whose features can be kept from epoch to epoch."""

    trains = ('heads',)
    needs_logits: bool = True
    needs_last: bool = False

    def features(self, image: Tensor) -> Features:
        """Return what the heads learn from, of images as `forward` takes them."""
        backbone, layers = self.model.backbone, self.model.exit_layers
        return backbone_features(
            backbone, image, layers, logits=self.needs_logits, last=self.needs_last
        )

    def forward(self, image: Tensor | Features, target: Tensor, step: int, steps: int) -> Tensor:
        """Return the loss of a batch of images, or of the backbone's features of them."""
        return self.loss(self.features(image) if isinstance(image, Tensor) else image, target)

    def loss(self, features: Features, target: Tensor) -> Tensor:
        """Return the loss of the backbone's features of a batch."""
        raise NotImplementedError

    def head_logits(self, features: Features) -> list[Tensor]:
        """Return the logits of each head, float32 (B, C)."""
        heads = self.model.heads
        return [head(x).float() for head, x in zip(heads, features.tokens, strict=True)]


class Phase(NamedTuple):
    """One of the equal parts of a stage.

    Attributes:
        number: Number of the phase, from 0.
        step: Step in the phase, from 0.
        steps: Steps of the phase.
    """

    number: int
    step: int
    steps: int


def phase_of(step: int, steps: int, phases: int) -> Phase:
    """Return the phase that `step` of a stage's `steps` falls into."""
    edges = [phase * steps // phases for phase in range(phases + 1)]
    number = max(phase for phase in range(phases) if edges[phase] <= step)
    return Phase(number, step - edges[number], edges[number + 1] - edges[number])


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence of softened logits (B, C), times temperature squared.

    The factor keeps gradients as large as without softening. No gradient reaches the teacher.

    Reference: Hinton et al., Distilling the Knowledge in a Neural Network, 2015.
    """
    target = (teacher.detach().float() / temperature).softmax(-1)
    log = (student.float() / temperature).log_softmax(-1)
    return temperature**2 * F.kl_div(log, target, reduction='batchmean')


def classifier_of(part: nn.Module) -> nn.Module:
    """Return the classifier at the end of a head or a backbone."""
    classifier = part.classifier
    assert isinstance(classifier, nn.Module)
    return classifier


@contextmanager
def classifier_inputs(model: EarlyExitViT) -> Iterator[list[Tensor]]:
    """Collect the classifier input (B, F) of every exit that runs, in order; (B, 2, F) of a DeiT.

    The final classifier of the backbone is the last.
    """
    found: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found.append(inputs[0])

    classifiers = [classifier_of(part) for part in (*model.heads, model.backbone)]
    hooks = [classifier.register_forward_pre_hook(keep) for classifier in classifiers]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
