"""What README.md and docs/adaptive_rate.md say in figures is what the code does."""

from __future__ import annotations

import doctest
import hashlib
import json
import re

import pytest

from eevit_ros.speed.rate import RateSettings
from test.documents.pages import ROOT

README = (ROOT / 'README.md').read_text()


def test_the_rate_s_document_names_its_parameters_and_computes_what_it_says() -> None:
    path = ROOT / 'docs' / 'adaptive_rate.md'
    for name in RateSettings.__dataclass_fields__:
        assert f'`{name}`' in path.read_text() or f'`rate.{name}`' in path.read_text(), name
    failed, tried = doctest.testfile(str(path), module_relative=False)
    assert tried > 0
    assert failed == 0


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


@pytest.mark.parametrize('path', ['README.md', 'docs/python.md'])
def test_the_python_of_a_page_runs(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r'^```python\n(.*?)^```', (ROOT / path).read_text(), re.M | re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, path, 'exec'), {})
