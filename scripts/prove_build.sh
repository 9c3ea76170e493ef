#!/usr/bin/env bash
# Builds the committed tree with colcon and pip, with the setuptools of Ubuntu 22.04 (Humble) and 24.04 (Jazzy), and
# checks what was installed. Everything happens in a temporary folder; building itself has no network.
#     scripts/prove_build.sh [COMMIT]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

commit=${1:-HEAD}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
git archive "$commit" | tar -x -C "$work/src"
files=$(git ls-tree -r --name-only "$commit" launch config models | grep -E '\.(launch\.py|yaml|xml|onnx|md)$')

# Some containers allow no new network namespace; there, pip at least has no index.
offline=(env PIP_NO_INDEX=1)
if unshare --net --map-root-user true 2>/dev/null; then offline+=(unshare --net --map-root-user); fi

check() { # PREFIX PYTHON [PYTHONPATH]: everything installed, and both packages import without torch
    local prefix=$1 python=$2 path=${3:-} file
    for file in package.xml $files; do
        test -s "$prefix/share/eevit_ros/$file" || { echo "not installed: share/eevit_ros/$file"; return 1; }
    done
    test -e "$prefix/share/ament_index/resource_index/packages/eevit_ros" || { echo 'no ament index entry'; return 1; }
    (cd "$work" && PYTHONPATH=$path "$python" - <<'PY')
import importlib.metadata
import sys
from pathlib import Path

import eevit_ros
import model_export

assert 'torch' not in sys.modules
assert importlib.metadata.version('eevit_ros') == '0.1.0'
package = Path(eevit_ros.__file__).parent
report = package / 'replay' / 'report'
for file in (
    report / 'report.html.j2',
    report / 'comparison.html.j2',
    report / 'foxglove_layout.json',
    package / 'reporting' / 'base.html.j2',
    package / 'reporting' / 'parts.html.j2',
    package / 'reporting' / 'page.css',
    package / 'py.typed',
):
    assert file.is_file(), f'not installed: {file}'
print('  imported from', eevit_ros.__file__)
PY
    echo "  installed: $(echo "$files" | wc -w) files of launch/, config/ and models/"
}

for version in 59.6.0 68.1.2; do
    venv=$work/venv_$version
    echo "== setuptools $version: preparing"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q "setuptools==$version" 'wheel<0.46' colcon-core colcon-ros colcon-package-selection \
        2>"$work/pip.log" || { cat "$work/pip.log"; exit 1; }
    for option in '' --symlink-install; do
        base=$work/colcon_$version$option
        echo "== setuptools $version: colcon build $option"
        # A robot's workspace: the repository is one folder under src/, nothing else is there.
        mkdir -p "$base" && cp -r "$work/src" "$base/src"
        (cd "$base" && PATH=$venv/bin:$PATH "${offline[@]}" colcon --log-base log build $option) || exit 1
        prefix=$base/install/eevit_ros
        test -x "$prefix/lib/eevit_ros/classifier" || { echo 'no lib/eevit_ros/classifier'; exit 1; }
        paths=$(find "$prefix/lib" -type d -name site-packages)
        if [ -n "$option" ]; then paths=$base/build/eevit_ros:$paths; fi
        check "$prefix" "$venv/bin/python" "$paths"
    done
    echo "== setuptools $version: pip install ."
    cp -r "$work/src" "$work/pip_$version"
    "${offline[@]}" "$venv/bin/pip" install -q --no-deps --no-build-isolation "$work/pip_$version" \
        2>"$work/pip.log" || { cat "$work/pip.log"; exit 1; }
    test -x "$venv/bin/classifier" || { echo 'no bin/classifier'; exit 1; }
    check "$venv" "$venv/bin/python"
done
echo 'Build proven: colcon (plain and --symlink-install) and pip, setuptools 59.6.0 and 68.1.2'
