"""Model files: damaged bytes, graphs and metadata; loaded, and asked for answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.parameters.classifier import demo_model
from fuzz import Wrong
from fuzz.mutate import mutate
from harness import tiny_model

IMAGES = [np.full((40, 30, 3), grey, np.uint8) for grey in (0, 130, 255)]
SHIPPED_SHARE = 0.005  # of the cases: it takes a hundred times as long
JSON = (
    *('', '0', '-1', '1e999', 'NaN', 'null', 'true', '[]', '{}', '[[]]', '"x"', '[1, 2]', '[2, 1]'),
    *('[0.5]', '[0.5, NaN]', '[1e999]', '9' * 5000, '1' + '0' * 30, '[' * 20000, '"\\ud800"'),
    *('{"mode": "stretch"}', '{"mode": []}', '[true, false]', '["a", "a", "a"]', '[1, 2, 3, 4]'),
)


def prepare(folder: Path) -> Callable[[Random], None]:
    """Write the models to be damaged; return what runs a case."""
    files = [
        tiny_model.write_tiny_model(folder / 'a.onnx').read_bytes(),
        tiny_model.write_tiny_model(
            folder / 'b.onnx', classes=5, exit_layers=(2, 3, 6), layers=7, size=(8, 16)
        ).read_bytes(),
    ]
    shipped = demo_model().read_bytes()
    path = folder / 'damaged.onnx'

    def run(rng: Random) -> None:
        data = shipped if rng.random() < SHIPPED_SHARE else rng.choice(files)
        damage = rng.choice((mutate, _graph, _metadata))
        path.write_bytes(damage(data, rng))
        use(path, rng.choice(('single', 'staged')))

    return run


def use(path: Path, execution: str) -> None:
    """Load a model and check whatever it answers."""
    engine = Engine(
        path, compute=Compute(provider='cpu', threads=1, execution=execution, spin=False)
    )
    engine.warm_up()
    meta = engine.metadata
    for image in IMAGES:
        try:
            result = engine.run(image)
        except EevitError:
            continue  # a frame without an answer is the floor
        shares = result.probabilities
        if shares.shape != (len(meta.class_names),) or not np.isfinite(shares).all():
            raise Wrong(f'it answers {shares}')
        if not (-1e-3 < shares.min() and abs(float(shares.sum()) - 1) < 3e-2):
            raise Wrong(f'its answer is no distribution: {shares}')
        if not (0 <= result.confidence <= 1 and 0 < result.depth <= 1):
            raise Wrong(f'confidence {result.confidence}, depth {result.depth}')
        if result.class_name not in meta.class_names:
            raise Wrong(f'class {result.class_name!r}')
    json.dumps(meta.to_props())


def _metadata(data: bytes, rng: Random) -> bytes:
    model = onnx.load_from_string(data)
    for entry in rng.sample(list(model.metadata_props), rng.randint(1, 2)):
        match rng.randrange(5):
            case 0:
                model.metadata_props.remove(entry)
            case 1:
                entry.value = mutate(entry.value.encode(), rng).decode(errors='replace')
            case 2:
                entry.value = rng.choice(list(model.metadata_props)).value
            case _:
                entry.value = rng.choice(JSON)
    return bytes(model.SerializeToString())


def _graph(data: bytes, rng: Random) -> bytes:
    model = onnx.load_from_string(data)
    for _ in range(rng.randint(1, 3)):
        graph = rng.choice(list(_graphs(model.graph)))
        node = rng.choice(graph.node)
        match rng.randrange(7):
            case 0:
                graph.node.remove(node)
            case 1:
                graph.node.append(node)
            case 2:
                node.op_type = rng.choice(('Add', 'If', 'Loop', 'Cast', 'Identity', 'Expand', 'x'))
            case 3 if node.input:
                node.input[rng.randrange(len(node.input))] = rng.choice(_names(model.graph))
            case 4 if node.output:
                node.output[rng.randrange(len(node.output))] = rng.choice(_names(model.graph))
            case 5:
                _tensor(rng.choice(list(_tensors(model.graph))), rng)
            case _:
                value = rng.choice([*model.graph.input, *model.graph.output])
                for size in value.type.tensor_type.shape.dim:
                    size.dim_value = rng.choice((0, 1, 3, 7, 2**31, -1, size.dim_value))
    return bytes(model.SerializeToString())


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField('g') and attribute.g.node:
                yield from _graphs(attribute.g)


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for inner in _graphs(graph):
        for node in inner.node:
            yield from (attribute.t for attribute in node.attribute if attribute.HasField('t'))


def _tensor(tensor: Any, rng: Random) -> None:
    if rng.random() < 0.5 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice((0, 1, 2**31, 2**62, -1))
    elif rng.random() < 0.3:
        tensor.data_type = rng.randrange(25)
    elif tensor.raw_data:
        tensor.raw_data = mutate(tensor.raw_data, rng)


def _names(graph: Any) -> list[str]:
    nodes = [node for inner in _graphs(graph) for node in inner.node]
    return ['', *(name for node in nodes for name in (*node.input, *node.output))]
