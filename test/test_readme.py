"""What README.md says in tables is what the code does."""

from __future__ import annotations

import ast
import doctest
import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml

from eevit_ros.rate import RateSettings

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()


def rows(first_column: str) -> dict[str, list[str]]:
    """The rows of the table whose header starts with `first_column`, by their first cell."""
    table = re.search(rf'^\| {first_column} \|.*\n\|[-|]+\n((?:\|.*\n)+)', README, re.MULTILINE)
    assert table, first_column
    cells = [
        [cell.strip() for cell in line.strip('|').split('|')] for line in table[1].splitlines()
    ]
    return {row[0].strip('`'): row[1:] for row in cells}


def test_parameters() -> None:
    parameters = pytest.importorskip('eevit_ros.parameter_specs', reason='needs rclpy')
    table = rows('parameter')
    assert list(table) == list(parameters.SPECS)
    for name, (default, live, _) in table.items():
        spec = parameters.SPECS[name]
        assert yaml.safe_load(default.strip('`') or '""') == spec.default, name
        assert (live == 'yes') == spec.live, name


def test_the_rate_s_document_names_its_parameters_and_computes_what_it_says() -> None:
    path = ROOT / 'docs' / 'adaptive_rate.md'
    for name in RateSettings.__dataclass_fields__:
        assert f'`{name}`' in path.read_text() or f'`rate.{name}`' in path.read_text(), name
    failed, tried = doctest.testfile(str(path), module_relative=False)
    assert tried > 0
    assert failed == 0


def test_launch_arguments() -> None:
    tree = ast.parse((ROOT / 'launch' / 'classify.launch.py').read_text())
    declared = [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == 'DeclareLaunchArgument'
        and isinstance(node.args[0], ast.Constant)
    ]
    assert declared
    assert list(rows('launch argument')) == declared


@pytest.mark.parametrize('path', ['README.md', 'docs/your_own_model.md', 'docs/adaptive_rate.md'])
def test_links_and_files_exist(path: str) -> None:
    text = (ROOT / path).read_text()
    links = [link for link in re.findall(r'\]\(([^)]+)\)', text) if '://' not in link]
    assert links
    for link in links:
        assert ((ROOT / path).parent / link).exists(), link
    for file in re.findall(r'(?<![\w/])(?:config|benchmarks|eevit_ros|models)/[\w/]+\.\w+', text):
        assert (ROOT / file).exists(), file


def test_figures_are_those_of_the_shipped_file() -> None:
    models = ROOT / 'models'
    figures = json.loads((models / 'eevit_s14_cifar100.json').read_text())
    data = (models / 'eevit_s14_cifar100.onnx').read_bytes()
    assert hashlib.sha256(data).hexdigest() == figures['sha256']
    card = (models / 'eevit_s14_cifar100.md').read_text()
    for text in (README, card):
        assert f'{figures["accuracy"]:.2%} | {figures["mean_macs"] / 1e6:.0f} M |' in text
        assert f'{figures["accuracy_full_depth"]:.2%} |' in text
        assert f'{figures["fixed_exit"]["accuracy"]:.2%} |' in text
        assert f'layers {figures["speedup_layers"]:.2f}x, MACs ' in text
        assert f'MACs {figures["speedup_macs"]:.2f}x' in text
    for row in figures['exits']:
        assert f'| {row["layer"]} | {row["share"]:.1%} | {row["accuracy"]:.1%} |' in card
    first, last = figures['exits'][0], figures['exits'][-1]
    assert f'{100 * first["accuracy"]:.1f} % after layer {first["layer"]}' in README
    assert f'{100 * last["accuracy"]:.1f} % after' in README
