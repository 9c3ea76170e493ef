#!/usr/bin/env bash
# Train the demo's recipe at 224 pixels for 8 minutes, on a GPU; call it again to go on. --help tells more.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." && exec "${PYTHON:-python3}" -m benchmarks.gpu.train_demo "$@"
