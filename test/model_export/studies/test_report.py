"""What a study writes, and the document that collects studies."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from harness.paths import ROOT
from model_export.errors import ModelExportError
from model_export.studies import report
from model_export.studies.markdown import shown
from model_export.studies.registry import STUDIES
from model_export.studies.report import (
    PICTURE_BYTES,
    Study,
    Table,
    collect,
    model_facts,
    write_study,
)


def a_study(name: str, **figures: Figure) -> Study:
    rows = (('a|b', 0.8731, 1.5, 1234567), ('c', None, 2.0, 0))
    table = Table('one', 'A table', ('what', 'right, %', 'MAC speed-up', 'MACs'), rows, 'A note.')
    return Study(name, f'About {name}', 'Words.', (table,), figures, {'sha256': 'abc'})


def noise(pixels: int) -> Figure:
    figure = Figure(figsize=(2, 2))
    figure.subplots().imshow(np.random.default_rng(0).random((pixels, pixels)))
    return figure


@pytest.mark.parametrize(
    ('value', 'column', 'text'),
    [
        (0.8731, 'accuracy, %', '87.3'),
        (1.0, 'share, %', '100.0'),
        (1.926, 'layer speed-up', '1.93x'),
        (12345.6, 'ms', '12346'),
        (123.456, 'ms', '123.5'),
        (12.3456, 'ms', '12.35'),
        (0.12345, 'ms', '0.123'),
        (-0.0, 'ms', '0'),
        (1234567, 'MACs', '1,234,567'),
        (None, 'ms', ''),
    ],
)
def test_numbers_are_rounded_by_what_they_are(
    value: str | int | float | None, column: str, text: str
) -> None:
    assert shown(value, column) == text


def test_a_study_is_written_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / 'x-old.png').write_bytes(b'of an earlier run')
    machine = {'cpu': 'abacus', 'cores': 3, 'load_before': 0.5, 'system': 'S', 'python': '3.11'}
    write_study(a_study('x', new=noise(8)), tmp_path, command='python it', machine=machine)
    assert {path.name for path in tmp_path.iterdir()} == {'x.md', 'x.json', 'x-new.png'}
    assert (tmp_path / 'x-new.png').stat().st_size <= PICTURE_BYTES
    text = (tmp_path / 'x.md').read_text()
    assert '| what | right, % | MAC speed-up | MACs |\n| --- | --: | --: | --: |' in text
    assert '| a\\|b | 87.3 | 1.50x | 1,234,567 |\n| c |  | 2.00x | 0 |\n\nA note.' in text
    assert '![x-new](x-new.png)' in text
    for word in ('python it', 'abacus', 'sha256 `abc`', 'numpy'):
        assert word in text
    data = json.loads((tmp_path / 'x.json').read_text())
    assert data['tables'][0]['rows'][0] == ['a|b', 0.8731, 1.5, 1234567]
    assert data['machine'] == machine


def test_a_picture_that_stays_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, 'PICTURE_BYTES', 1500)
    with pytest.raises(ModelExportError, match=r'x-big\.png has \d+ bytes, more than 1500'):
        write_study(a_study('x', big=noise(60)), tmp_path, command='')


def test_the_document_holds_all_studies_in_order(tmp_path: Path) -> None:
    for name in ('a', 'b', 'c'):
        write_study(a_study(name, p=noise(4)), tmp_path / 'all', command=f'run {name}')
    collect(tmp_path / 'all', tmp_path / 'all.md', ('c', 'b'))
    text = (tmp_path / 'all.md').read_text()
    assert text.index('## About c') < text.index('## About b') < text.index('## About a')
    assert '[About a](#about-a)' in text
    assert '![a-p](all/a-p.png)' in text and (tmp_path / 'all' / 'a-p.png').exists()


@pytest.mark.parametrize('content', ['{', '[]', '{"study": "x"}', None])
def test_a_file_that_is_no_study_is_named(tmp_path: Path, content: str | None) -> None:
    message = 'no study in'
    if content is not None:
        (tmp_path / 'bad.json').write_text(content)
        message = r'bad\.json is not a study'
    with pytest.raises(ModelExportError, match=message):
        collect(tmp_path, tmp_path / 'all.md')


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ModelExportError, match="'t' has 2 columns"):
        Table('t', '', ('a', 'b'), ((1,),))


def test_the_hash_of_a_folder_is_that_of_its_weights(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f'weights-{number}-of-2.safetensors').write_bytes(bytes([number]))
    before = model_facts(tmp_path)
    (tmp_path / 'notes.txt').write_text('not the model')
    assert model_facts(tmp_path) == before
    (tmp_path / 'weights-2-of-2.safetensors').write_bytes(b'other')
    assert model_facts(tmp_path)['sha256'] != before['sha256']
    with pytest.raises(ModelExportError, match='cannot read the model'):
        model_facts(tmp_path / 'nowhere')


def test_the_shipped_document_is_what_the_studies_found(tmp_path: Path) -> None:
    docs = ROOT / 'docs'
    shutil.copytree(docs / 'studies', tmp_path / 'studies')
    collect(tmp_path / 'studies', tmp_path / 'studies.md', tuple(STUDIES))
    written = 'write it again: python -m model_export study collect'
    assert (tmp_path / 'studies.md').read_text() == (docs / 'studies.md').read_text(), written
