"""Whether several regions in one run of the first stage would be quicker than one after the other.

    python -m benchmarks.region_batch [MODEL]

Cuts the first stage out of a model file, writes it for batches of 2, 4 and 8, and runs 8 regions by
each in turn: CPU seconds, so that other work on the computer counts little. The whole of a region
is that with the other stages, one at a time, left as in `make demo ARGS=--regions`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine, forcing
from eevit_ros.model.stages import IMAGE, cut_stages
from eevit_ros.parameters.classifier import demo_model

REGIONS, ROUNDS = 8, 60
BATCHES = (1, 2, 4, 8)
LEFT = {3: 0.165, 4: 0.235, 5: 0.179, 6: 0.012, 7: 0.035, 8: 0.038, 9: 0.165, 10: 0.121, 12: 0.05}
"""Share of the regions by exit layer."""


def batched(stage: bytes, batch: int) -> bytes:
    """Return a stage for several images at once.

    Batch 1 is written into the shapes that it reshapes to, and into the class token.
    """
    model = onnx.load_model_from_string(stage)
    graph = model.graph
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_value = batch
    shapes = {node.input[1] for node in graph.node if node.op_type == 'Reshape'}
    joined = {name for node in graph.node if node.op_type == 'Concat' for name in node.input}
    for tensor in graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if tensor.name in shapes and array[0] == 1:
            changed = np.concatenate([[batch], array[1:]])
        elif tensor.name in joined:
            changed = np.repeat(array, batch, 0)
        else:
            continue
        tensor.CopyFrom(onnx.numpy_helper.from_array(changed.astype(array.dtype), tensor.name))
    return model.SerializeToString()


def cpu_ms(work: Callable[[], object]) -> float:
    """Return the CPU time of some work, milliseconds."""
    start_s = time.process_time()
    work()
    return (time.process_time() - start_s) * 1e3


def first_stage(model: Path, threads: int) -> dict[int, float]:
    """Return the CPU milliseconds of the first stage for a region, by batch."""
    cut = cut_stages(model.read_bytes())
    stage, answer = cut.write[0]({}), cut.stages[0].answer
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    sessions = {
        batch: ort.InferenceSession(
            batched(stage, batch), options, providers=['CPUExecutionProvider']
        )
        for batch in BATCHES
    }
    shape = (REGIONS, *sessions[1].get_inputs()[0].shape[1:])
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)

    def run(batch: int) -> np.ndarray:
        parts = range(0, REGIONS, batch)
        feeds = ({IMAGE: images[at : at + batch]} for at in parts)
        return np.concatenate([sessions[batch].run([answer], feed)[0] for feed in feeds])

    for batch in BATCHES:
        assert np.abs(run(batch) - run(1)).max() < 1e-5
    rounds = [[cpu_ms(lambda batch=batch: run(batch)) for batch in BATCHES] for _ in range(ROUNDS)]
    return dict(zip(BATCHES, np.min(rounds, axis=0) / REGIONS, strict=True))


def whole(model: Path, threads: int) -> dict[str, float]:
    """Return the CPU milliseconds of a whole region in either form, by exits as `LEFT`."""
    forms = ('single', 'staged')
    engines = {
        form: Engine(model, compute=Compute(execution=form, threads=threads)) for form in forms
    }
    meta = engines['single'].metadata
    side = (meta.input_height, meta.input_width, 3)
    image = np.random.default_rng(0).integers(0, 256, side).astype(np.uint8)
    total = dict.fromkeys(forms, 0.0)
    for index, layer in enumerate(meta.answer_layers):
        least = dict.fromkeys(forms, np.inf)
        for engine in engines.values():
            engine.thresholds = forcing(index, len(meta.exit_layers))
        for _ in range(ROUNDS):
            for form, engine in engines.items():
                least[form] = min(least[form], cpu_ms(lambda engine=engine: engine.run(image)))
        for form in forms:
            total[form] += LEFT.get(layer, 0.0) * least[form]
    return total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path, nargs='?', default=demo_model())
    model = parser.parse_args().model
    for threads in (1, 2):
        first, one = first_stage(model, threads), whole(model, threads)
        print(f'{threads} thread(s), CPU ms a region: single {one["single"]:.2f}')
        for batch, spent in first.items():
            all_of_it = one['staged'] - first[1] + spent
            print(
                f'  staged, batch {batch}: first stage {spent:.2f}, by batch 1 '
                f'{spent / first[1]:.2f}; whole {all_of_it:.2f}, by single '
                f'{all_of_it / one["single"]:.2f}'
            )


if __name__ == '__main__':
    main()
