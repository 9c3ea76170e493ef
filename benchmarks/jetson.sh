#!/usr/bin/env bash
# Time, memory and energy of a frame at every exit on a Jetson, beside its power mode and clocks.
#
#     python -m benchmarks.beside_eevit --peer CHECKOUT --rounds 1    # on a workstation, for the files
#     benchmarks/jetson.sh FOLDER OUT                                 # on the Jetson, a copy of them
#
# FOLDER holds what is there of ours.onnx, peer.onnx and plain.onnx (build/benchmarks/eevit). OUT gets
# a JSON file for each of them, form, provider and round. nvpmodel and jetson_clocks want root: run it
# with sudo. Fix the clocks before, with jetson_clocks. Settings, by environment variables: PYTHON,
# PROVIDERS, ROUNDS, RUNS (of each exit in a round), FP16 (1 lets TensorRT use half precision).
#
# Ready, but NOT RUN on a Jetson yet: tested with stand-ins for NVIDIA's tools.
set -euo pipefail

if (($# != 2)) || [[ ! -d ${1-} ]]; then
    echo "usage: $0 FOLDER_WITH_MODELS OUT_FOLDER" >&2
    exit 2
fi
models=$1
out=$2
python=${PYTHON:-python3}
read -ra providers <<<"${PROVIDERS:-cpu cuda tensorrt}"
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH=$checkout${PYTHONPATH:+:$PYTHONPATH}

for tool in nvpmodel jetson_clocks tegrastats; do
    if ! command -v "$tool" >/dev/null; then
        echo "not measured: there is no $tool here; this is for a Jetson" >&2
        exit 1
    fi
done
mkdir -p "$out"

# Puts the figures on standard input, the power mode and the clocks into one JSON object.
together() {
    "$python" -c '
import json, sys
side, provider, mode, clocks = sys.argv[1:]
figures = json.load(sys.stdin)
json.dump(
    {"side": side, "provider": provider, "nvpmodel": mode, "jetson_clocks": clocks, **figures},
    sys.stdout,
    indent=1,
)' "$@"
}

measure() { # SIDE FILE PROVIDER ROUND
    local target="$out/$1_$3_$4.json" mode clocks figures options
    options=(--provider "$3" --runs "${RUNS:-100}" --cache-dir "$out/engines")
    if [[ ${FP16:-0} == 1 && $3 == tensorrt ]]; then
        options+=(--fp16)
    fi
    mode=$(nvpmodel -q 2>&1)
    clocks=$(jetson_clocks --show 2>&1)
    if figures=$("$python" -m benchmarks.eevit.one_round "$1" "$2" "${options[@]}" --power 'tegrastats --interval 100'); then
        together "$1" "$3" "$mode" "$clocks" <<<"$figures" >"$target"
        echo "$target"
    else
        echo "no figures of $1 on $3: see above" >&2
    fi
}

for ((round = 1; round <= ${ROUNDS:-5}; round++)); do
    for provider in "${providers[@]}"; do
        for pair in single:ours staged:ours peer:peer plain:plain; do
            file="$models/${pair#*:}.onnx"
            if [[ -f $file ]]; then
                measure "${pair%%:*}" "$file" "$provider" "$round"
            else
                echo "no ${pair%%:*}: there is no $file" >&2
            fi
        done
    done
done
