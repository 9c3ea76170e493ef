"""A backbone that timm makes: a name in place of sizes, which are asked of the model itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from model_export.errors import ModelExportError
from model_export.recipe.checked import in_range
from model_export.timm_models.create import known_name, pixels_of

if TYPE_CHECKING:
    from model_export.timm_models.shapes import Shapes

# What the recipe says elsewhere, changes what a model answers, or lets timm read files itself.
_NOT_PARAMS = {
    *('img_size', 'num_classes', 'in_chans', 'features_only', 'device', 'dtype', 'scriptable'),
    *('pretrained', 'pretrained_cfg', 'pretrained_cfg_overlay', 'checkpoint_path', 'cache_dir'),
}


@dataclass(frozen=True)
class TimmRecipe:
    """A model of timm without exits. What has no default has to be said.

    Attributes:
        model: Its name, with or without the tag of its weights.
        image_size: Height and width of images in pixels.
        params: More of what its class takes, such as `drop_path_rate`.
        weights: File or folder to start from, where `train` is given no `--init`.
        mean: Per RGB channel of [0, 1]; as the model's own weights were trained, if left out.
        std: Likewise.
    """

    model: str
    image_size: int
    kind: str = 'timm'
    params: dict[str, Any] = field(default_factory=dict)
    weights: str = field(default='', compare=False)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that timm has not, and fill in what the model's weights were trained on."""
        in_range(self, 'image_size', lambda value: value > 0, 'positive')
        known_name(self.model)
        if said := sorted(set(self.params) & _NOT_PARAMS):
            raise ModelExportError(
                f'params must be what the class of {self.model} takes beside what a recipe says '
                f'elsewhere (image_size, num_classes, weights). Got {said}'
            )
        mean, std = pixels_of(self.model)
        object.__setattr__(self, 'mean', self.mean or mean)
        object.__setattr__(self, 'std', self.std or std)
        for name in ('mean', 'std'):
            in_range(self, name, lambda values: len(values) == 3, 'three numbers')
        in_range(self, 'std', lambda values: min(values) > 0, 'positive')

    @property
    def layers(self) -> int:
        """Number of layers that an exit or the final classifier can follow."""
        return len(self._shapes.widths)

    @property
    def class_tokens(self) -> int:
        """Number of tokens before the patches that a head sees."""
        return 1

    @property
    def hierarchical(self) -> bool:
        """Whether tokens change their shape on the way."""
        return len(set(self._shapes.grids)) > 1

    @property
    def words(self) -> str:
        """What it is, in words."""
        return f'{self.model} of timm with {self.layers} layers, {self.image_size} pixels'

    def exit_shape(self, layer: int) -> tuple[int, int | tuple[int, int]]:
        """Return the width of tokens after `layer` (from 1), and the patches along one side.

        Rows and columns where these differ.
        """
        return self._shapes.widths[layer - 1], self._shapes.grids[layer - 1]

    def heads_at(self, layer: int) -> int:
        """Return the attention heads of `layer`, or as many as fit its width."""
        return self._shapes.attention_heads[layer - 1]

    @property
    def _shapes(self) -> Shapes:
        from model_export.timm_models.shapes import shapes_of  # torch takes seconds

        return shapes_of(self.model, self.image_size, self.params)
