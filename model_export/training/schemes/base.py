"""What a training scheme is: which parameters a stage trains, and the loss of a batch."""

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
    """One way to train a stage. A subclass gives the loss; parameters of its own are trained, too.

    Attributes:
        trains: Which of the model's parts learn: 'backbone', 'heads' or both.
        params_type: A dataclass that checks itself; a recipe's `params` are its fields.
        phases: In how many equal parts of the stage the learning rate rises and falls.
        task: The recipes that it is for: 'classification' or 'regression'.
    """

    task: ClassVar[str] = 'classification'
    trains: ClassVar[tuple[str, ...]] = ('backbone', 'heads')
    params_type: ClassVar[type[Any]] = NoParams
    phases: int = 1

    def __init__(self, model: EarlyExitViT, params: Any, label_smoothing: float = 0.0) -> None:
        """Train `model`, which stays as it is until the trainer takes a step.

        Raises:
            ModelExportError: the model cannot be trained this way.
        """
        super().__init__()
        self.model = model
        self.params = params
        self.label_smoothing = label_smoothing

    def forward(self, image: Tensor, target: Tensor, step: int, steps: int) -> Tensor:
        """Loss of a batch, the mean over its images.

        Args:
            image: uint8 (or float of the same range) (B, H, W, 3), RGB.
            target: Labels int64 (B,), or shares of the classes float32 (B, C).
            step: Of this stage, counted from 0.
            steps: How many the stage takes.
        """
        raise NotImplementedError

    def hard_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Cross entropy with the labels, smoothed as the stage says."""
        return F.cross_entropy(logits.float(), target, label_smoothing=self.label_smoothing)


class Seen(NamedTuple):
    """What a frozen backbone makes of a batch; what a scheme does not need is None."""

    tokens: list[Tensor]  # of each exit, as its head takes them: (B, K + grid * grid, D)
    logits: Tensor | None  # of the final classifier, float32 (B, C)
    last: Tensor | None  # after the last layer and the final norm, as a head would take them

    def map(self, change: Callable[[Tensor], Tensor]) -> Seen:
        """The same with each tensor changed."""
        return Seen(
            [change(x) for x in self.tokens],
            None if self.logits is None else change(self.logits),
            None if self.last is None else change(self.last),
        )

    def parts(self) -> list[Tensor]:
        """The tensors that are there."""
        return [x for x in (*self.tokens, self.logits, self.last) if x is not None]


@torch.no_grad()
def look(
    backbone: Backbone, image: Tensor, layers: Sequence[int], *, logits: bool, last: bool
) -> Seen:
    """Run a frozen backbone as far as it is needed.

    Args:
        backbone: In evaluation mode.
        image: uint8 (B, H, W, 3), RGB.
        layers: After which (from 1, rising, the last layer not among them) tokens are kept.
        logits: Whether the final classifier's are.
        last: Whether the tokens after the last layer are.
    """
    tokens = []
    end = len(backbone.blocks) - 1
    x = backbone.embed(image)
    for layer, block in enumerate(backbone.blocks[: end if logits or last else layers[-1]], 1):
        x = block(x)
        if layer in layers:
            tokens.append(backbone.exit_tokens(x, layer))
    answer = backbone.classify(x).float() if logits else None
    if not last:
        return Seen(tokens, answer, None)
    x = backbone.get_submodule('norm')(backbone.blocks[end](x))
    return Seen(tokens, answer, backbone.exit_tokens(x, end + 1))


class HeadScheme(Scheme):
    """A scheme on a frozen backbone: what the backbone sees can be kept from epoch to epoch."""

    trains = ('heads',)
    needs_logits: bool = True
    needs_last: bool = False

    def look(self, image: Tensor) -> Seen:
        """What the heads learn from, of images as `forward` takes them."""
        backbone, layers = self.model.backbone, self.model.exit_layers
        return look(backbone, image, layers, logits=self.needs_logits, last=self.needs_last)

    def forward(self, image: Tensor | Seen, target: Tensor, step: int, steps: int) -> Tensor:
        """Loss of a batch of images, or of what the backbone saw in them."""
        return self.loss(self.look(image) if isinstance(image, Tensor) else image, target)

    def loss(self, seen: Seen, target: Tensor) -> Tensor:
        """Loss of what a frozen backbone saw."""
        raise NotImplementedError

    def answers(self, seen: Seen) -> list[Tensor]:
        """Logits float32 (B, C) of each head."""
        heads = self.model.heads
        return [head(x).float() for head, x in zip(heads, seen.tokens, strict=True)]


class Phase(NamedTuple):
    """One of the equal parts of a stage."""

    number: int  # from 0
    step: int  # in the phase, from 0
    steps: int  # of the phase


def phase_of(step: int, steps: int, phases: int) -> Phase:
    """Where `step` of a stage's `steps` is."""
    edges = [phase * steps // phases for phase in range(phases + 1)]
    number = max(phase for phase in range(phases) if edges[phase] <= step)
    return Phase(number, step - edges[number], edges[number + 1] - edges[number])


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of softened answers (B, C), scaled to keep gradients as large.

    No gradient reaches the teacher. Reference: Hinton et al., Distilling the Knowledge in a Neural
    Network, 2015.
    """
    target = (teacher.detach().float() / temperature).softmax(-1)
    log = (student.float() / temperature).log_softmax(-1)
    return temperature**2 * F.kl_div(log, target, reduction='batchmean')


def classifier_of(part: nn.Module) -> nn.Module:
    """The classifier that ends a head or a backbone."""
    classifier = part.classifier
    assert isinstance(classifier, nn.Module)
    return classifier


@contextmanager
def classifier_inputs(model: EarlyExitViT) -> Iterator[list[Tensor]]:
    """Collect the features (B, F), of a DeiT (B, 2, F), of every exit that runs, in their order.

    The feature of an exit, and of the backbone, is what enters its `classifier`.
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
