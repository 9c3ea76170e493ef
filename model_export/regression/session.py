"""Running a regression file with ONNX Runtime, one exit's answer or all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
import onnx.numpy_helper

from eevit_ros.images.resize import Image
from eevit_ros.model.compute import Compute
from eevit_ros.model.ort_session import open_session
from model_export.errors import ModelExportError
from model_export.regression.model_file import RegressionMetadata

Floats = npt.NDArray[np.float32]


class RegressionSession:
    """A regression file, opened on the CPU. E early exits.

    Attributes:
        metadata: Metadata of the file.
    """

    def __init__(self, model: bytes, *, threads: int = 1) -> None:
        """Open a file's bytes.

        Raises:
            ModelExportError: It is not a regression file, or its exits are not found in the graph.
        """
        try:
            proto = onnx.load_from_string(model)
        except Exception as err:  # protobuf's own class of error differs by version
            raise ModelExportError(f'not an ONNX model: {err}') from err
        props = {entry.key: entry.value for entry in proto.metadata_props}
        self.metadata = RegressionMetadata.from_props(props)
        exits = len(self.metadata.exit_layers)
        inner = _inner_values(proto.graph, exits)
        proto.graph.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in inner
        )
        compute = Compute(provider='cpu', threads=threads)
        self._session = open_session(model, compute)
        self._all = open_session(proto.SerializeToString(), compute)
        self._inner = inner

    def run(self, image: Image, tolerances: Sequence[float] | Floats) -> tuple[float, int]:
        """Return value and exit index of an image uint8 (H, W, 3) of the model's input size."""
        value, exit_index = self._session.run(
            ['value', 'exit_index'], self._feed(image, tolerances)
        )
        return float(value[0, 0]), int(exit_index[0])

    def values(self, image: Image) -> Floats:
        """Return every exit's value of an image: float32 (E + 1,), the final one last."""
        zeros = np.zeros(len(self.metadata.exit_layers), np.float32)
        found = self._all.run([*self._inner, 'value'], self._feed(image, zeros))
        return np.array([float(one.item()) for one in found], np.float32)

    def _feed(self, image: Image, tolerances: Sequence[float] | Floats) -> dict[str, object]:
        return {'image': image[None], 'tolerances': np.asarray(tolerances, np.float32)}


def _inner_values(graph: onnx.GraphProto, exits: int) -> list[str]:
    """Return the names of the E early exits' values, whose distances meet the tolerances."""
    made_by = {name: node for node in graph.node for name in node.output}
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    found: dict[int, str] = {}
    for node in graph.node:
        gather = made_by.get(node.input[1]) if node.op_type == 'Less' else None
        if gather is None or gather.op_type != 'Gather' or gather.input[0] != 'tolerances':
            continue
        distance = made_by.get(node.input[0])
        while distance is not None and distance.op_type != 'Sub':
            distance = made_by.get(distance.input[0])
        if distance is not None and gather.input[1] in constants:
            index = int(constants[gather.input[1]])
            found[index] = distance.input[0]
            found.setdefault(index - 1, distance.input[1])
    if sorted(found) != list(range(exits)):
        raise ModelExportError(
            f'found the values of {len(found)} of {exits} exits in the graph; export it again'
        )
    return [found[index] for index in range(exits)]
