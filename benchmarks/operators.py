"""Where the time of model files goes: ONNX Runtime's own profile, by kind of operator.

    python -m benchmarks.operators models/eevit_s14_cifar100.onnx int8.onnx --data DATA

Every image runs to the end on one CPU thread, through the graph as ONNX Runtime has fused it. The
profiler itself takes time, most of all beside small operators: compare shares, not milliseconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from eevit_ros.images.resize import resize
from eevit_ros.model.check import check_model
from model_export.data import RULE, load_split

LISTED = 15


def main() -> None:
    """Print one table a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('models', type=Path, nargs='+', help='exported .onnx files')
    parser.add_argument('--data', type=Path, required=True, help='folder with the data set')
    parser.add_argument('--images', type=int, default=100, help='test images (default 100)')
    args = parser.parse_args()
    for model in args.models:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        settings.enable_mem_pattern = False  # as the robot's sessions
        settings.log_severity_level = 3
        settings.enable_profiling = True
        with tempfile.TemporaryDirectory() as folder:
            settings.profile_file_prefix = str(Path(folder) / 'profile')
            session = onnxruntime.InferenceSession(model, settings, ['CPUExecutionProvider'])
            meta = check_model(session)
            side = meta.input_height
            images = load_split(args.data, 'test', side).spread(args.images).images
            never = np.ones(len(meta.exit_layers), np.float32)
            for image in images:
                image = resize(image, meta.input_width, side, RULE)
                session.run(None, {'image': image[None], 'thresholds': never})
            events = json.loads(Path(session.end_profiling()).read_text())
        _print_table(model, events, len(images))


def _print_table(model: Path, events: list[dict[str, Any]], images: int) -> None:
    spent_us, runs = Counter[str](), Counter[str]()
    for event in events:
        operator = event.get('args', {}).get('op_name', 'If')
        if event['cat'] == 'Node' and event['name'].endswith('_kernel_time') and operator != 'If':
            spent_us[operator] += event['dur']
            runs[operator] += 1
    total = spent_us.total()
    print(f'\n{model.name}, {total / images / 1e3:.1f} ms an image')
    print(f'{"operator":28}{"runs":>6}{"ms":>8}{"share":>8}')
    for operator, spent in spent_us.most_common(LISTED):
        ms = spent / images / 1e3
        print(f'{operator:28}{runs[operator] / images:6.0f}{ms:8.2f}{spent / total:8.1%}')


if __name__ == '__main__':
    main()
