"""What a regression file says of itself.

One self-contained ONNX file, as `eevit_ros/model/metadata.py` describes, but for

    inputs    image          uint8   [1, H, W, 3]   RGB; normalised inside the graph
              tolerances     float32 [E]            how far an exit may differ from the one before
    outputs   value          float32 [1, 1]         in the unit of the training targets
              exit_index     int32   [1]            1..E, E = the final exit

An image leaves at the first exit whose value differs by less than its tolerance from that of the
exit before: never at 0. The first exit has none before it, so its tolerance is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from eevit_ros.images.resize import ResizeRule
from eevit_ros.model.metadata import TASK_KEY, read_props, write_props
from model_export.errors import ModelExportError


@dataclass(frozen=True)
class RegressionMetadata:
    """The facts that travel inside a regression file. E early exits, L layers.

    Attributes:
        name: The model's name, for people.
        unit: Unit of the value, for people; may be empty.
        exit_layers: Layers that have run at each of the E early exits; rising, 1..L-1.
        layers: L.
        input_height: H of the graph's image input, pixels.
        input_width: W of the graph's image input, pixels.
        resize: Rule by which a frame becomes (H, W, 3).
        default_tolerances: E distances in the unit of the value.
        deviation: Standard deviation of the training targets.
        macs: E + 1 counts of multiply-accumulates for a frame leaving there, earlier heads
            included; the first counts what leaving at the first exit would take.
        head_macs: MACs of each exit head alone, E counts.
        backbone_macs: MACs of the plain backbone with its final exit and no others.
        errors: E + 1 mean absolute errors, of each exit alone on all of `error_data`.
        error_data: Data that `errors` were measured on.
        training_data: Data that the model was trained on.
        licence: Licence of the file, ingredients named.
        task: Always 'regression'.
    """

    name: str
    unit: str
    exit_layers: tuple[int, ...]
    layers: int
    input_height: int
    input_width: int
    resize: ResizeRule
    default_tolerances: tuple[float, ...]
    deviation: float
    macs: tuple[int, ...]
    head_macs: tuple[int, ...]
    backbone_macs: int
    errors: tuple[float, ...]
    error_data: str
    training_data: str
    licence: str
    task: str = 'regression'

    def __post_init__(self) -> None:
        """Refuse lengths that do not fit the exits."""
        exits = len(self.exit_layers)
        wanted = {'default_tolerances': 0, 'macs': 1, 'head_macs': 0, 'errors': 1}
        for name, more in wanted.items():
            values = getattr(self, name)
            if len(values) != exits + more:
                raise ModelExportError(
                    f'metadata {name!r} must be {exits + more} values. Got {values!r}'
                )

    @property
    def answer_layers(self) -> tuple[int, ...]:
        """Layers that ran, by exit index 0..E; the last is L."""
        return (*self.exit_layers, self.layers)

    def to_props(self) -> dict[str, str]:
        """Return the ONNX metadata entries."""
        return write_props(asdict(self))

    @classmethod
    def from_props(cls, props: Mapping[str, str]) -> RegressionMetadata:
        """Read the entries that `to_props` made.

        Raises:
            ModelExportError: The file is for another task.
            EevitError: An entry is missing or unreadable.
        """
        if props.get(TASK_KEY) != '"regression"':
            raise ModelExportError(
                'not a regression model: give a file that `python -m model_export '
                'export-regression` wrote'
            )
        return cls(**read_props(cls, props))
