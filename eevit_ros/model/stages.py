"""Cutting a model file into stages: one graph for each stretch from exit to exit.

`model_export` writes one `If` for each exit but the first, all in a row, whose `else_branch` is the
stretch up to the next exit. A stage is cut out of such a row when the model is loaded, and the host
decides between stages what the graph's `If` would decide. So one file is copied to the robot
whatever runs it, no second form can differ from the first, no weight is stored twice, and files
written before there were stages run in stages too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from eevit_ros.errors import EevitError
from eevit_ros.model.onnx_file import Graph, Model, Node, describe_input

IMAGE, PROBABILITIES = 'image', 'probabilities'


class Tensor(NamedTuple):
    """Type and shape of a tensor between stages, known once the stage that makes it is loaded."""

    kind: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class Stage:
    """One stretch of the network, up to an exit's probabilities.

    Attributes:
        inputs: Names of the tensors it reads: the image, or outputs of earlier stages.
        outputs: Its tensors' names in later stages, by their name in this one.
        answer: The key in `outputs` of the exit's probabilities, float32 (1, C).
    """

    inputs: tuple[str, ...]
    outputs: Mapping[str, str]
    answer: str


Write = Callable[[Mapping[str, Tensor]], bytes]
"""Returns a stage as an ONNX model, given its inputs' types and shapes."""


@dataclass(frozen=True)
class Stages:
    """A model file in E + 1 stages.

    Attributes:
        stages: The stages, in the order in which they run; the last has the final classifier.
        write: One function per stage that writes it. They hold the file's bytes: drop them once
            the stages are loaded.
        props: The file's metadata entries.
    """

    stages: tuple[Stage, ...]
    write: tuple[Write, ...]
    props: Mapping[str, str]


def cut_stages(data: bytes) -> Stages:
    """Cut a model file's bytes.

    Raises:
        EevitError: The file is truncated, no ONNX model, or its graph is not made of stages.
    """
    model = Model(data)
    try:
        stages, write = zip(*_cut(model), strict=True)
        return Stages(stages, write, model.props)
    except (KeyError, IndexError, ValueError) as err:
        raise EevitError(
            'the graph is not a row of stages, one `If` for each exit but the first, as '
            f'model_export writes them ({type(err).__name__}: {err}): export the model again, or '
            "set execution to 'single'"
        ) from err


def _cut(model: Model) -> list[tuple[Stage, Write]]:
    graph = model.graph
    ifs = [node for node in graph.nodes if node.kind == 'If']
    answers = _answers(graph, ifs)
    first = _first_stage(graph)
    known = {IMAGE, *first, *(name for node in ifs for name in node.outputs)}
    asked = set(answers)
    cut = []
    # The last one first: it determines what those before it must pass on.
    for node, answer in zip(ifs[::-1], answers[:0:-1], strict=True):
        body = node.branches['else_branch']
        called = zip(body.outputs, node.outputs, strict=True)
        made = {inner: name for inner, name in called if name in asked}
        cut.append(_stage(model, body, made, answer, known))
        asked.update(cut[-1][0].inputs)
    made = {name: name for name in first if name in asked}
    cut.append(_stage(model, Graph(), made, answers[0], {IMAGE}))
    return cut[::-1]


def _stage(
    model: Model, body: Graph, made: dict[str, str], answer: str, known: set[str]
) -> tuple[Stage, Write]:
    """Trace a stage's outputs back to weights and to tensors of earlier stages.

    Args:
        model: The file.
        body: The graph computed only in this stage; its weights are in the graph around it.
        made: The value of `Stage.outputs`.
        answer: The name of the exit's probabilities in later stages.
        known: Names of the tensors that earlier stages may have made.
    """
    nodes = [*model.graph.nodes, *body.nodes]
    weights = {**model.graph.weights, **body.weights}
    made_by = {name: index for index, node in enumerate(nodes) for name in node.outputs}
    waiting, seen, indices = [*made], set(), set()
    while waiting:
        name = waiting.pop()
        if name not in seen and name not in known and name not in weights:
            indices.add(made_by[name])
            waiting += nodes[made_by[name]].reads
        seen.add(name)
    inputs = tuple(sorted(seen & known))

    def write(tensors: Mapping[str, Tensor]) -> bytes:
        described = [
            model.graph.inputs[name] if name == IMAGE else describe_input(name, *tensors[name])
            for name in inputs
        ]
        return model.write(
            [nodes[index] for index in sorted(indices)],
            [whole for name, whole in weights.items() if name in seen],
            described,
            made,
        )

    return Stage(inputs, made, {name: inner for inner, name in made.items()}[answer]), write


def _answers(graph: Graph, ifs: list[Node]) -> list[str]:
    """Return the name of each exit's probabilities, which later `If`s pass on if it was taken."""
    names = [graph.follow(PROBABILITIES)]
    for node in reversed(ifs):
        kept = node.branches['then_branch']
        names.append(kept.follow(kept.outputs[node.outputs.index(names[-1])]))
    return names[::-1]


def _first_stage(graph: Graph) -> list[str]:
    """Return the names of all tensors that depend on the image and on no decision."""
    made, decided = {IMAGE: None}, {'thresholds'}
    for node in graph.nodes:
        if node.kind == 'If' or decided.intersection(node.reads):
            decided.update(node.outputs)
        elif not made.keys().isdisjoint(node.reads):
            made.update(dict.fromkeys(node.outputs))
    return [name for name in made if name != IMAGE]
