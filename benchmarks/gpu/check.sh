#!/usr/bin/env bash
# Measure on a GPU whether half precision answers right and how fast stages are, in 8 minutes. --help tells more.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." && exec "${PYTHON:-python3}" -m benchmarks.gpu.check "$@"
