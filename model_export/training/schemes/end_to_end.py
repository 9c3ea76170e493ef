"""Train backbone and heads together, by a weighted mean of every exit's loss."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.checked import in_range
from model_export.training.schemes.base import Scheme


@dataclass(frozen=True)
class EndToEndParams:
    """Weights of the exits' losses.

    Attributes:
        weights: One for each exit, the final classifier's last; all equal if empty.
        by_layer: Weigh each exit by the layer that it follows, the final classifier by L.
        alternate: Every other step trains the final classifier alone.
    """

    weights: tuple[float, ...] = ()
    by_layer: bool = False
    alternate: bool = False

    def __post_init__(self) -> None:
        """Refuse negative weights, weights that are all 0, and weights together with `by_layer`."""
        in_range(
            self, 'weights', lambda w: not w or (min(w) >= 0 and sum(w) > 0), 'at least 0, one more'
        )
        in_range(self, 'by_layer', lambda by: not (by and self.weights), 'false with weights')


class EndToEnd(Scheme):
    """The weighted mean of the cross entropy of every exit and of the final classifier.

    With `by_layer` and `alternate` it is the first stage of LGViT as its published code runs it.

    References:
        Teerapittayanon et al., BranchyNet, ICPR 2016.
        Xu et al., LGViT, ACM MM 2023.
    """

    params_type = EndToEndParams
    params: EndToEndParams

    def __init__(
        self, model: EarlyExitViT, params: EndToEndParams, label_smoothing: float = 0.0
    ) -> None:
        """Take one weight for each exit."""
        super().__init__(model, params, label_smoothing)
        layers = (*model.exit_layers, len(model.backbone.blocks))
        weights = layers if params.by_layer else params.weights or (1.0,) * len(layers)
        if len(weights) != len(layers):
            raise ModelExportError(
                f'weights must be {len(layers)}, one for each exit and the final classifier. '
                f'Got {list(weights)}'
            )
        self.weights = [float(weight) / sum(weights) for weight in weights]

    def forward(self, image: Tensor, target: Tensor, step: int, steps: int) -> Tensor:
        """Return the weighted mean over the exits."""
        if self.params.alternate and step % 2 == 0:
            return self.hard_loss(self.model.backbone(image), target)
        return weighted_loss(self, image, target, self.weights)


def weighted_loss(scheme: Scheme, image: Tensor, target: Tensor, weights: list[float]) -> Tensor:
    """Return the sum of every exit's cross entropy times its weight, the final classifier last."""
    logits = scheme.model(image)
    return sum(
        (w * scheme.hard_loss(x, target) for w, x in zip(weights, logits, strict=True)),
        logits.new_zeros(()),
    )
