"""The commands from end to end, on folders of images, and the mistakes that people make."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from eevit_ros.model.engine import Engine
from model_export.__main__ import main
from model_export.calibration.held_out import answer_held_out
from model_export.data import Dataset, load_split
from model_export.recipe.recipe import Recipe, recipe_to_dict
from model_export.training.run_folder import RunFolder, only_run
from model_export.weights.checkpoint import load_run
from model_export.weights.stored import load_training_data, reading_of

pytestmark = pytest.mark.usefixtures('quick_exports')


@dataclasses.dataclass(frozen=True)
class Workshop:
    data: Path
    recipe: Path
    run: Path
    weights: Path
    model: Path

    def command(self, name: str, *options: object) -> int:
        """Run a command on the workshop's files; returns its exit status."""
        first = {'train': self.recipe, 'save': self.run, 'export': self.run, 'evaluate': self.model}
        data = [] if name == 'save' else ['--data', self.data]
        out = {'train': self.run, 'save': self.weights, 'export': self.model}.get(name)
        words = [name, first[name], *data, *(['--out', out] if out else []), *options]
        return main([str(word) for word in words])


def write_images(folder: Path, data: Dataset) -> None:
    for number, (image, label) in enumerate(zip(data.images, data.labels, strict=True)):
        path = folder / data.class_names[label] / f'{number:03}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]))


def write_recipe(recipe: Recipe, path: Path) -> None:
    path.write_text(yaml.safe_dump(recipe_to_dict(recipe)))


@pytest.fixture(scope='module')
def recipe(recipe: Recipe) -> Recipe:
    """Of one exit and two layers: each takes long to train and to export."""
    backbone = dataclasses.replace(recipe.backbone, layers=2)
    return dataclasses.replace(recipe, backbone=backbone, exits=recipe.exits[:1])


@pytest.fixture
def untrained(recipe: Recipe, colours: Dataset, tmp_path: Path) -> Workshop:
    return workshop(recipe, colours, tmp_path)


def workshop(recipe: Recipe, colours: Dataset, folder: Path) -> Workshop:
    write_images(folder / 'data' / 'train', colours)
    write_images(folder / 'data' / 'test', colours.subset(np.arange(40)))
    write_recipe(recipe, folder / 'recipe.yaml')
    names = ('data', 'recipe.yaml', 'run', 'weights', 'model.onnx')
    return Workshop(*(folder / name for name in names))


@pytest.fixture(scope='module')
def trained(recipe: Recipe, colours: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """All commands, one after the other; the training is interrupted between two checkpoints."""
    shop = workshop(recipe, colours, tmp_path_factory.mktemp('workshop'))
    log = RunFolder.log

    def log_and_interrupt(self: RunFolder, stage: int, step: int, *rest: object) -> None:
        log(self, stage, step, *rest)  # type: ignore[arg-type]
        if (stage, step) == (2, 25):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('model_export.training.trainer.CHECKPOINT_EVERY_STEPS', 20)
        patch.setattr(RunFolder, 'log', log_and_interrupt)
        assert shop.command('train') == 130
    assert shop.command('export') == 1  # not finished
    assert not shop.model.exists()
    for command in ('train', 'save', 'export'):
        assert shop.command(command) == 0
    return shop


def test_the_way_ends_in_a_model_that_knows_the_colours(trained: Workshop) -> None:
    out = trained.data.parent / 'new' / 'figures.json'
    assert trained.command('evaluate', '--out', out) == 0
    figures = json.loads(out.read_text())
    assert figures['images'] == 40
    assert figures['accuracy'] > 0.9  # chance is 0.25
    assert sum(row['share'] for row in figures['exits']) == pytest.approx(1)


@pytest.mark.parametrize('precision', ['fp16', 'int8'])
def test_a_file_of_fewer_bits_is_nearly_as_right_and_says_what_it_is(
    trained: Workshop, tmp_path: Path, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = dataclasses.replace(trained, model=tmp_path / 'small.onnx')
    assert shop.command('export', '--precision', precision) == 0
    assert f'{precision} and fp32, ' in capsys.readouterr().out  # how far they agree
    meta = Engine(shop.model).metadata
    assert meta.precision == precision
    assert meta.default_thresholds != (1.0,) * len(meta.exit_layers)  # those of the draft
    assert meta.accuracy[-1] > 0.9
    assert shop.command('evaluate', '--out', tmp_path / 'figures.json') == 0
    assert json.loads((tmp_path / 'figures.json').read_text())['accuracy'] > 0.9


def test_a_limit_takes_images_of_every_class(trained: Workshop, tmp_path: Path) -> None:
    assert trained.command('evaluate', '--limit', 8, '--out', tmp_path / 'figures.json') == 0
    assert json.loads((tmp_path / 'figures.json').read_text())['images'] == 8
    test = load_split(trained.data, 'test', 24)  # sorted by class
    assert np.bincount(test.spread(8).labels).tolist() == [2, 2, 2, 2]
    assert test.spread(50).labels.tolist() == test.labels.tolist()


def test_saved_weights_start_another_training(
    trained: Workshop, untrained: Workshop, recipe: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = tuple(dataclasses.replace(stage, epochs=1) for stage in recipe.stages)
    write_recipe(dataclasses.replace(recipe, stages=stages), untrained.recipe)
    assert untrained.command('train', '--init', trained.weights) == 0
    assert 'ignored' not in capsys.readouterr().out
    assert untrained.command('train', '--init', trained.weights) == 0
    assert f'--init {trained.weights} is ignored' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('command', 'options', 'code', 'message'),
    [
        ('evaluate', ['--limit', 0], 2, '--limit must be at least 1. Got 0'),
        ('evaluate', ['--out', '.'], 2, 'is a folder'),
        ('evaluate', ['--out', '/dev/null/figures.json'], 2, '/dev/null'),
        ('evaluate', ['--data', 'nowhere'], 1, 'no data in nowhere'),
        ('evaluate', ['--data', 'nowhere', '--group-by', 'burst'], 1, 'no data in nowhere'),
        ('evaluate', ['--policy', 'margin', '--thresholds', 1, '--out', '.'], 2, 'is a folder'),
        (
            'evaluate',
            ['--policy', 'none', '--thresholds', 1, '--data', 'nowhere'],
            2,
            "'none'",
        ),
        ('save', [], 1, 'already holds weights or a run'),
        ('save', ['--out', '/dev/null/weights'], 1, 'cannot write /dev/null/weights'),
        ('export', ['--data', 'nowhere'], 1, 'no data in nowhere'),
        ('export', ['--out', '.'], 2, '--out must name a file'),
        ('export', ['--out', 'new/model.onnx'], 2, 'there is no folder new'),
        ('export', ['--out', '/proc/model.onnx'], 2, 'cannot write to /proc'),
        ('export', ['--split', 'validation'], 1, 'no validation data'),
        ('train', ['--out', '/dev/null'], 1, '/dev/null'),
        ('train', ['--out', 'new', '--init', 'nowhere'], 1, 'no such file or folder: nowhere'),
        ('train', ['--out', 'new', '--split', 0.2], 2, '--split is for a folder'),
        ('train', ['--out', 'new', '--split', 20], 2, 'share within (0, 1)'),
        ('train', ['--out', 'new', '--group-by', '('], 2, "--group-by must be 'folder', "),
        ('train', ['--out', 'new', '--group-by', '^[a-z]+'], 2, 'must match every file name'),
    ],
)
def test_a_mistake_is_one_line(
    trained: Workshop,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    options: list[object],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert trained.command(command, *options) == code
    error = capsys.readouterr().err
    assert error.startswith('error: ') and message in error
    assert len(error.splitlines()) == 1


def test_a_test_set_without_a_class_is_refused(
    trained: Workshop, capsys: pytest.CaptureFixture[str], colours: Dataset, tmp_path: Path
) -> None:
    write_images(tmp_path / 'test', colours.subset(np.flatnonzero(colours.labels != 1)))
    assert trained.command('evaluate', '--data', tmp_path) == 1
    assert "missing ['red'], unknown []" in capsys.readouterr().err


@pytest.mark.parametrize('command', ['train', 'export'])
def test_data_that_changed_after_training_is_refused(
    trained: Workshop,
    capsys: pytest.CaptureFixture[str],
    colours: Dataset,
    tmp_path: Path,
    command: str,
) -> None:
    write_images(tmp_path / 'train', colours.subset(np.arange(239)))
    assert trained.command(command, '--data', tmp_path) == 1
    assert 'trained on other data (240 images' in capsys.readouterr().err


def test_a_recipe_and_its_start_are_refused_before_data_are_read(
    untrained: Workshop, recipe: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    assert untrained.command('train', '--data', 'nowhere', '--init', 'none') == 1
    assert 'no such file or folder: none' in capsys.readouterr().err
    unknown = dataclasses.replace(recipe.exits[0], head='gha')
    write_recipe(dataclasses.replace(recipe, exits=(unknown,)), untrained.recipe)
    assert untrained.command('train', '--data', 'nowhere') == 1
    assert "unknown head 'gha'; known are" in capsys.readouterr().err


def test_a_data_set_smaller_than_a_batch_is_refused(
    untrained: Workshop, recipe: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = dataclasses.replace(recipe.stages[0], batch_size=512)
    write_recipe(dataclasses.replace(recipe, stages=(stage,)), untrained.recipe)
    assert untrained.command('train') == 1
    assert '200 training images at batch_size 512' in capsys.readouterr().err
    assert untrained.command('export') == 1
    assert 'holds no training run' in capsys.readouterr().err


def test_an_interrupt_says_what_goes_on(
    trained: Workshop,
    untrained: Workshop,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, 'log', interrupt)
    assert untrained.command('train') == 130
    assert 'from the last checkpoint' in capsys.readouterr().err
    monkeypatch.setattr('model_export.data.load_split', interrupt)
    assert trained.command('evaluate') == 130
    assert capsys.readouterr().err.endswith('stopped\n')


@pytest.fixture
def quick(untrained: Workshop, recipe: Recipe) -> Workshop:
    """Of one epoch a stage."""
    stages = tuple(dataclasses.replace(stage, epochs=1) for stage in recipe.stages)
    write_recipe(dataclasses.replace(recipe, stages=stages), untrained.recipe)
    return untrained


def test_a_folder_of_classes_alone_is_split_once_for_all_commands(
    quick: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = quick.data / 'train'
    assert quick.command('train', '--data', photos, '--split', 0.25, '--group-by', r'^\d\d') == 0
    assert 'of 240 images' in capsys.readouterr().out
    listed = (photos / 'test_images.txt').read_text()
    train, test = (load_split(photos, split, 24) for split in ('train', 'test'))
    assert len(train) + len(test) == 240
    assert all(10 < count <= 15 for count in np.bincount(test.labels))
    assert not set(train.groups) & set(test.groups)
    again = quick.command('train', '--data', photos, '--split', 0.25, '--group-by', r'^\d\d')
    assert again == 0 and (photos / 'test_images.txt').read_text() == listed
    assert quick.command('train', '--data', photos, '--split', 0.4) == 2
    assert 'was made by --split 0.25 --group-by' in capsys.readouterr().err
    assert reading_of(quick.run).group_by == r'^\d\d'
    held_out = load_training_data(quick.run, load_run(quick.run)[0].recipe, photos)[1]
    assert not set(held_out.groups) & set(test.groups)


def test_two_trainings_never_write_into_one_folder(
    untrained: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_run(untrained.run):
        assert untrained.command('train') == 1
    error = capsys.readouterr().err
    assert 'another training' in error and str(untrained.run) in error


def test_test_folders_are_held_against_the_classes_before_training(
    untrained: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    (untrained.data / 'test' / 'red').rename(untrained.data / 'test' / 'Red')
    assert untrained.command('train') == 1
    assert "missing ['red'], unknown ['Red']" in capsys.readouterr().err
    assert not (untrained.run / 'checkpoint.pt').exists()


def test_damaged_images_are_left_out_on_request_and_counted(
    quick: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ('red/000.png', 'blue/999.png'):
        (quick.data / 'train' / name).write_bytes(b'no image')
    assert quick.command('train') == 1
    assert '2 of 242 images are bad' in capsys.readouterr().err
    assert quick.command('train', '--skip-damaged') == 0
    assert '2 of 242 images are bad' in capsys.readouterr().out
    assert answer_held_out(quick.run, quick.data).images.skipped == 2


def test_exits_are_calibrated_on_a_validation_split(trained: Workshop, colours: Dataset) -> None:
    write_images(trained.data / 'val', colours.subset(np.arange(32)))
    held = answer_held_out(trained.run, trained.data, 'validation')
    assert len(held.images) == held.logits.shape[1] == 32


def test_bursts_in_the_training_images_are_warned_of(
    quick: Workshop, colours: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted((quick.data / 'train').glob('*/*.png')):
        path.with_name(f'{path.stem}_again.png').write_bytes(path.read_bytes())
    assert quick.command('train') == 0
    assert 'are nearly equal to the one before' in capsys.readouterr().out
