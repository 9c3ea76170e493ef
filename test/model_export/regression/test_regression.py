"""A regression from a table of values to a file that leaves where neighbouring exits agree."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image
from eevit_ros.model.engine import Engine
from harness.paths import ROOT
from model_export.__main__ import main
from model_export.data.values import load_halves, load_values
from model_export.errors import ModelExportError
from model_export.network.fold import fold
from model_export.network.predict import score_per_exit
from model_export.recipe.recipe import Recipe, load_recipe, recipe_from_dict, recipe_to_dict
from model_export.regression.export import check, give_unit
from model_export.regression.policy import (
    RegressionAnswers,
    choose_tolerances,
    exits_taken,
    regression_point,
)
from model_export.regression.session import RegressionSession
from model_export.training.schemes import check_stages
from model_export.weights.stored import load_model, trained_on
from test.model_export.random_model import random_model

pytestmark = pytest.mark.usefixtures('quick_exports')

RECIPE = """
name: brightness
task: regression
num_classes: 1
unit: percent
held_out: 40
backbone: {image_size: 16, patch_size: 4, width: 32, layers: 3, attention_heads: 2}
exits:
  - {layer: 1, head: lph, params: {hidden: 8}}
  - {layer: 2, head: linear}
stages:
  - {scheme: regression, epochs: 3, batch_size: 20, learning_rate: 2e-3, warmup_steps: 5,
     crop_padding: 0}
training_data: grey squares
licence: none
"""


def write_set(folder: Path, count: int, seed: int) -> None:
    """Noisy images whose value, 300 to 500, is their brightness."""
    rng = np.random.default_rng(seed)
    for split in ('train', 'test'):
        (folder / split).mkdir(parents=True)
        rows = []
        for index in range(count if split == 'train' else 30):
            bright = rng.uniform(0, 1)
            pixels = 40 + 160 * bright + rng.uniform(-30, 30, (16, 16, 3))
            cv2.imwrite(str(folder / split / f'{index}.png'), pixels.astype(np.uint8))
            rows.append([f'{index}.png', f'{300 + 200 * bright:.3f}'])
        with (folder / f'{split}.csv').open('w', newline='') as file:
            csv.writer(file).writerows([['image', 'value'], *rows])


@pytest.fixture(scope='module')
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, recipe, trained run and exported file, made by the commands."""
    home = tmp_path_factory.mktemp('regression')
    write_set(home / 'data', 240, 0)
    (home / 'recipe.yaml').write_text(RECIPE)
    data = ['--data', str(home / 'data')]
    assert main(['train', str(home / 'recipe.yaml'), *data, '--out', str(home / 'run')]) == 0
    out = ['--out', str(home / 'bright.onnx'), '--max-rise', '0.1']
    assert main(['export-regression', str(home / 'run'), *data, *out]) == 0
    return home


@pytest.fixture
def images(home: Path) -> Image:
    return np.stack(list(load_values(home / 'data', 'test', 16).images))


def test_training_learns_the_value_and_logs_its_error_in_the_targets_unit(home: Path) -> None:
    with (home / 'run' / 'log.csv').open() as file:
        last = list(csv.DictReader(file))[-1]
    errors = [float(value) for name, value in last.items() if name.startswith('held_out')]
    assert len(errors) == 3
    assert all(1 < error < 30 for error in errors)  # the mean alone is off by 50
    model, _ = load_model(home / 'run', task='regression')
    halves = load_halves(home / 'data', load_recipe(home / 'recipe.yaml'))
    assert score_per_exit(model, halves.held_out) == pytest.approx(errors, abs=1e-3)


def test_the_file_answers_in_the_targets_unit_at_every_exit(home: Path, images: Image) -> None:
    session = RegressionSession((home / 'bright.onnx').read_bytes())
    model, _ = load_model(home / 'run', task='regression')
    halves = load_halves(home / 'data', load_recipe(home / 'recipe.yaml'))
    held = halves.held_out
    with torch.no_grad():
        trained = model(torch.from_numpy(images)).squeeze(-1).numpy()
    expected = held.mean + held.deviation * trained
    for number, image in enumerate(images[:10]):
        # The file stores weights in half precision.
        np.testing.assert_allclose(session.values(image), expected[:, number], atol=0.5)
    meta = session.metadata
    assert (meta.task, meta.unit, meta.exit_layers) == ('regression', 'percent', (1, 2))
    assert meta.deviation == held.deviation
    assert all(error < 30 for error in meta.errors)


def test_the_file_leaves_where_neighbours_agree(home: Path, images: Image) -> None:
    session = RegressionSession((home / 'bright.onnx').read_bytes())
    values = np.stack([session.values(image) for image in images], axis=1)
    seen = set()
    for tolerances in ([0, 0], [np.inf, 0], [0, np.inf], [9, 4.5]):
        expected = exits_taken(values, tolerances)
        for number, image in enumerate(images[:10]):
            value, left = session.run(image, tolerances)
            assert left == expected[number]
            assert value == pytest.approx(values[left, number], abs=1e-3)
            seen.add(left)
    assert seen == {1, 2}
    tolerances = session.metadata.default_tolerances
    assert tolerances[0] == 0 and max(tolerances) > 0


def test_the_file_keeps_the_contract(home: Path) -> None:
    proto = onnx.load(str(home / 'bright.onnx'))
    onnx.checker.check_model(proto, full_check=True)
    shapes = {
        one.name: [size.dim_value for size in one.type.tensor_type.shape.dim]
        for one in proto.graph.input
    }
    assert shapes == {'image': [1, 16, 16, 3], 'tolerances': [2]}
    assert [one.name for one in proto.graph.output] == ['value', 'exit_index']


def test_a_file_that_answers_otherwise_is_refused(home: Path, images: Image) -> None:
    proto = onnx.load(str(home / 'bright.onnx'))
    model = fold(load_model(home / 'run', task='regression')[0])
    give_unit(model, 400, 57)
    with pytest.raises(ModelExportError, match='a value of ONNX Runtime differs from torch'):
        check(proto, model, images[:1])


def test_the_robot_and_the_commands_for_classes_refuse_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, run, data = (str(home / name) for name in ('bright.onnx', 'run', 'data'))
    with pytest.raises(EevitError, match=r'bright\.onnx: the file holds a model for regression'):
        Engine(Path(file))
    out = ['--out', str(home / 'none')]
    for command in (['evaluate', file], ['export', run], ['thresholds', run]):
        assert main([*command, '--data', data, *out]) == 1
        assert 'regression' in capsys.readouterr().err
    assert not (home / 'none').exists()


def test_saved_weights_stay_a_regression_of_the_same_data(home: Path) -> None:
    assert main(['save', str(home / 'run'), '--out', str(home / 'weights')]) == 0
    model, _ = load_model(home / 'weights', task='regression')
    recipe = load_recipe(home / 'recipe.yaml')
    assert model.recipe == recipe
    assert trained_on(home / 'weights')[1] == load_halves(home / 'data', recipe).fingerprint


def test_the_study_compares_tolerances_with_fixed_exits(home: Path, images: Image) -> None:
    paths = [('model', 'bright.onnx'), ('data', 'data'), ('out', 'studies')]
    options = [word for name, path in paths for word in (f'--{name}', str(home / path))]
    assert main(['study', 'counting', *options]) == 0
    found = json.loads((home / 'studies' / 'counting.json').read_text())
    fixed, trade_off, shares = (table['rows'] for table in found['tables'])
    session = RegressionSession((home / 'bright.onnx').read_bytes())
    truth = load_values(home / 'data', 'test', 16).values
    errors = np.abs(np.stack([session.values(image) for image in images], 1) - truth).mean(axis=1)
    assert [row[0] for row in fixed] == [1, 2, 3]
    assert [row[1] for row in fixed] == pytest.approx(errors.tolist())
    speedups = [row[2] for row in fixed]
    assert speedups == sorted(speedups, reverse=True) and speedups[-1] == pytest.approx(1)
    never = next(row for row in trade_off if row[0] == '0')
    assert never[1] == pytest.approx(errors[-1]) and never[2] < 1  # all heads ran for nothing
    assert all(sum(row[1:]) == pytest.approx(1) for row in shares)


def test_export_refuses_other_data_and_classifiers(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_set(tmp_path / 'other', 60, 1)
    out = ['--out', str(tmp_path / 'x.onnx')]
    other = ['--data', str(tmp_path / 'other')]
    assert main(['export-regression', str(home / 'run'), *other, *out]) == 1
    assert 'was trained on other data (240 images' in capsys.readouterr().err
    own = ['--data', str(home / 'data'), '--max-rise', '-1']
    assert main(['export-regression', str(home / 'run'), *own, *out]) == 2
    assert '--max-rise must be at least 0. Got -1.0' in capsys.readouterr().err


def test_the_study_refuses_other_files(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ['study', 'counting', '--data', str(home / 'data'), '--out', str(home / 'studies')]
    assert main([*words, '--model', str(home / 'recipe.yaml')]) == 1
    assert 'recipe.yaml: truncated or no ONNX model' in capsys.readouterr().err
    shipped = ROOT / 'models' / 'eevit_s14_cifar100.onnx'
    assert main([*words, '--model', str(shipped)]) == 1
    assert 'cifar100.onnx: not a regression model' in capsys.readouterr().err


@pytest.mark.parametrize('kind', ['vit', 'deit'])
def test_a_unit_is_the_same_line_at_every_exit(kind: str) -> None:
    data = recipe_to_dict(recipe_from_dict(yaml.safe_load(RECIPE)))
    model = random_model(recipe_from_dict({**data, 'backbone': {**data['backbone'], 'kind': kind}}))
    image = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8)
    folded = fold(model)
    give_unit(folded, 7.0, 3.0)
    torch.testing.assert_close(folded(image), 7 + 3 * model(image), atol=1e-3, rtol=1e-4)


@given(
    arrays(np.float32, (5, 4), elements=st.floats(-10, 10, width=32)),
    arrays(np.float32, 4, elements=st.floats(0, 5, width=32)),
)
def test_an_image_leaves_at_the_first_exit_that_agrees(
    values: np.ndarray, tolerances: np.ndarray
) -> None:
    for number, left in enumerate(exits_taken(values, tolerances)):
        agree = [
            index
            for index in range(1, 4)
            if abs(values[index, number] - values[index - 1, number]) < tolerances[index]
        ]
        assert left == (agree[0] if agree else 4)
    assert (exits_taken(values, np.zeros(4)) == 4).all()


def test_the_tolerances_that_save_most_within_the_allowed_error() -> None:
    # Two exits agree at once on half of the images (and are right), late on the others (and wrong).
    values = np.array([[5, 5, 1, 1], [5, 5, 3, 3], [5, 5, 8, 8], [5, 5, 8.1, 8.1]], np.float32)
    known = RegressionAnswers(values, np.array([5, 5, 8, 8], np.float32), (10, 20, 30, 40), 40)
    strict = choose_tolerances(known, 4.0, 0.0)
    assert regression_point(known, strict).share == (
        0,
        0.5,
        0.5,
        0,
    )  # the third exit is better than the last
    assert regression_point(known, strict).speedup_macs == pytest.approx(40 / 25)
    assert 0 < strict[1] < 2 and strict[2] > 5
    assert regression_point(known, choose_tolerances(known, 4.0, 1e3)).share == (0, 1, 0, 0)
    off = RegressionAnswers(values, values[-1], (10, 20, 30, 40), 40)
    assert regression_point(off, choose_tolerances(off, 4.0, 0.0)).share == (0, 0.5, 0, 0.5)


@pytest.mark.parametrize(
    ('table', 'message'),
    [
        ('image,value\n0.png,1\n0.png,2\n', "row 3: image '0.png' is listed twice"),
        ('image,value\n0.png,many\n', "row 2: value must be a number. Got 'many'"),
        ('image,value\n0.png,nan\n', "row 2: value must be a number. Got 'nan'"),
        ('image,value\n0.png,1\n9.png,1\n', '1 of 2 images are missing'),
        ('image,value\n0.png\n', r"row 2 must hold an image and a value. Got \['0.png'\]"),
        ('image,value\n', 'lists no images'),
        ('0.png,1\n', 'must begin with the line image,value'),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / 'train').mkdir()
    cv2.imwrite(str(tmp_path / 'train' / '0.png'), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / 'train.csv').write_text(table)
    with pytest.raises(ModelExportError, match=message):
        load_values(tmp_path, 'train', 8)


def test_a_split_without_a_table_or_a_spread_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelExportError, match=r'cannot read .*train\.csv'):
        load_values(tmp_path, 'train', 8)
    recipe = recipe_from_dict(yaml.safe_load(RECIPE))
    write_set(tmp_path, 40, 0)
    with pytest.raises(ModelExportError, match='held_out 40 takes all 40 images'):
        load_halves(tmp_path, recipe)
    table = tmp_path / 'train.csv'
    names = [row[0] for row in csv.reader(table.open())][1:]
    table.write_text('image,value\n' + ''.join(f'{name},3\n' for name in names[:39]))
    data = recipe_to_dict(recipe)
    with pytest.raises(ModelExportError, match='have the value 3'):
        load_halves(tmp_path, recipe_from_dict({**data, 'held_out': 4}))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'num_classes': 2}, 'num_classes must be 1 for task regression. Got 2'),
        ({'task': 'guessing'}, 'task must be one of'),
        ({'task': 'classification'}, 'num_classes must be at least 2. Got 1'),
        ({'stages': [{'scheme': 'regression', 'mixup': 0.2}]}, 'mixup must be 0 for task'),
    ],
)
def test_recipes_that_do_not_go_together(change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelExportError, match=message):
        recipe_from_dict({**yaml.safe_load(RECIPE), **change})


def test_one_exit_agrees_with_nobody(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / 'one.yaml'
    one = {'exits': [{'layer': 2, 'head': 'mean'}]}
    path.write_text(yaml.safe_dump({**yaml.safe_load(RECIPE), **one}))
    out = ['--data', str(home / 'data'), '--out', str(home / 'one')]
    assert main(['train', str(path), *out]) == 1
    assert 'exits must be two or more' in capsys.readouterr().err
    assert not (home / 'one').exists()


def test_schemes_are_for_one_task(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / 'recipe.yaml'
    path.write_text(RECIPE.replace('scheme: regression', 'scheme: sdn'))
    with pytest.raises(ModelExportError, match="'sdn' is for task classification, and the task"):
        check_stages(load_recipe(path))
    stages = [{'scheme': 'regression'}]
    path.write_text(yaml.safe_dump({**recipe_to_dict(recipe), 'stages': stages}))
    with pytest.raises(ModelExportError, match="'regression' is for task regression, and the task"):
        check_stages(load_recipe(path))
