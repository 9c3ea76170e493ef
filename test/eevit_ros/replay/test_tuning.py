"""Thresholds for a user's recordings: what the table promises is what a replay then gives."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import yaml

from eevit_ros.errors import EevitError
from eevit_ros.model.all_exits import AllExits
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.parameters.classifier import open_engine
from eevit_ros.policies.threshold_search import choose_thresholds, exits_taken
from eevit_ros.recordings.open import open_source
from eevit_ros.replay.cli import main
from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.parameters import classifier_settings
from eevit_ros.replay.results.result import Result
from eevit_ros.replay.running.pipeline import replay
from eevit_ros.replay.tuning import Proposal, Tuning, tune_thresholds
from eevit_ros.speed.limit import LimitSettings
from harness.bags import (
    CLASSIFICATION,
    COMPRESSED,
    ROS2,
    Entry,
    classification,
    header,
    write_bag,
)
from test.eevit_ros.replay.demo_frames import BAG, MODEL, every, needs_model

pytestmark = [needs_model, pytest.mark.usefixtures('undrawn')]

TRUTH = '/camera/truth'
SETTINGS = classifier_settings(None, [f'model:={MODEL}', 'provider:=cpu'])[0]
DROP = 0.05


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every 18th frame of the demo with its truth, 2 s apart: five blocks of ten seconds."""
    source = open_source(BAG, None)
    labels = source.stamped_labels(TRUTH)
    entries: list[Entry] = []
    for number, frame in enumerate(every(18, source)):
        stamp = (1_700_000_000 + 2 * number) * 1_000_000_000
        picture = ROS2.types[COMPRESSED](
            header=header(stamp), format='jpeg', data=np.frombuffer(frame.data, np.uint8)
        )
        entries.append(('/camera/compressed', COMPRESSED, stamp, picture))
        truth = classification(stamp, {labels[frame.stamp_ns]: 1.0})
        entries.append((TRUTH, CLASSIFICATION, stamp, truth))
    return write_bag(tmp_path_factory.mktemp('tuning') / 'drive', entries)


@pytest.fixture(scope='module')
def short(bag: Path) -> Path:
    """A folder of the first three pictures."""
    folder = bag.parent / 'short'
    folder.mkdir()
    for frame in itertools.islice(open_source(bag, None), 3):
        (folder / f'{frame.index}.jpg').write_bytes(frame.data)
    return folder


@pytest.fixture(scope='module')
def engine() -> Engine:
    return Engine(MODEL, compute=Compute(provider='cpu'))


def tune(bag: Path, truth: str | None, max_drop: float = DROP) -> Tuning:
    folder = bag.parent / ('by_truth' if truth else 'by_full_depth')
    options = ReplayOptions(SETTINGS, LimitSettings(), truth=truth)
    return tune_thresholds([bag], options, max_drop=max_drop, folder=folder)


@pytest.fixture(scope='module')
def by_truth(bag: Path) -> Tuning:
    return tune(bag, TRUTH)


def run(bag: Path, proposal: Proposal, folder: Path, *, reference: bool = False) -> Result:
    values = ', '.join(str(value) for value in proposal.thresholds)
    settings, given = classifier_settings(
        None, [f'model:={MODEL}', 'provider:=cpu', f'thresholds:=[{values}]']
    )
    options = ReplayOptions(
        settings, LimitSettings(), truth=TRUTH, latency='20', reference=reference, given=given
    )
    return replay([bag], options, folder)


@pytest.mark.parametrize('which', [0, 1, -1])
def test_a_replay_with_proposed_thresholds_is_as_right_and_as_cheap_as_promised(
    by_truth: Tuning, bag: Path, tmp_path: Path, which: int
) -> None:
    proposal = by_truth.proposals[which]
    metrics = run(bag, proposal, tmp_path).summary['metrics']
    assert metrics['frames'] == by_truth.frames == 21
    assert metrics['accuracy'] == proposal.point.accuracy
    assert metrics['speedup_macs'] == pytest.approx(proposal.point.speedup_macs, rel=1e-12)
    assert metrics['speedup_layers'] == pytest.approx(proposal.point.speedup_layers, rel=1e-12)


def test_without_truth_the_promise_is_agreement_with_full_depth(bag: Path, tmp_path: Path) -> None:
    tuning = tune(bag, None)
    assert tuning.against == 'as at full depth'
    best = tuning.proposals[-1]
    assert tuning.proposals[0].point.accuracy == 1.0
    assert 1 - DROP <= best.point.accuracy < 1.0
    metrics = run(bag, best, tmp_path, reference=True).summary['metrics']
    assert metrics['agreement'] == best.point.accuracy
    assert metrics['speedup_macs'] == pytest.approx(best.point.speedup_macs, rel=1e-12)


def test_proposals_give_up_no_more_than_they_may_and_save_the_more(
    by_truth: Tuning, engine: Engine
) -> None:
    full, own, *chosen = by_truth.proposals
    assert full.thresholds == (1.0,) * len(full.thresholds)
    assert own.thresholds == engine.thresholds
    assert (full.checked, own.checked) == (None, None)
    for drop, proposal in zip((0.0, DROP / 2, DROP), chosen, strict=True):
        assert proposal.point.accuracy >= full.point.accuracy - drop - 1e-12
    speedups = [proposal.point.speedup_macs for proposal in (full, *chosen)]
    assert speedups == sorted(speedups)
    assert speedups[-1] > 1.5 * speedups[0]


def test_the_unseen_half_is_judged_by_thresholds_of_the_other(
    by_truth: Tuning, bag: Path, engine: Engine
) -> None:
    model, names = AllExits(MODEL), list(engine.metadata.class_names)
    source = open_source(bag, None)
    labels = source.stamped_labels(TRUTH)
    found = [
        (model.answers(frame.decode()), names.index(labels[frame.stamp_ns])) for frame in source
    ]
    confidence = np.stack([answers.confidence for answers, _ in found], axis=1)
    right = np.stack([answers.class_index == truth for answers, truth in found], axis=1)
    first = np.arange(len(found)) // 5 % 2 == 0  # by blocks of ten seconds
    hits = 0
    for unseen in (first, ~first):
        thresholds = choose_thresholds(
            confidence[:, ~unseen], right[:, ~unseen], engine.metadata.macs, DROP
        )
        taken = exits_taken(confidence[:, unseen], np.array(thresholds, np.float32))
        hits += sum(right[exit_index, frame] for exit_index, frame in
                    zip(taken, np.flatnonzero(unseen), strict=True))  # fmt: skip
    assert by_truth.proposals[-1].checked == hits / len(found)


def test_the_file_is_a_parameter_file_and_says_where_it_is_from(
    by_truth: Tuning, bag: Path, engine: Engine
) -> None:
    assert by_truth.file == bag.parent / 'by_truth' / 'thresholds.yaml'
    best = by_truth.proposals[-1]
    assert classifier_settings(by_truth.file, [])[0].thresholds == best.thresholds
    text = by_truth.file.read_text('utf-8')
    given = {'thresholds': [*best.thresholds], 'model_sha256': engine.sha256}
    assert yaml.safe_load(text) == {'/**': {'ros__parameters': given}}
    assert 'chosen on 21 frames of drive' in text
    assert f'{best.point.accuracy:.2%} as the truth' in text


def test_its_thresholds_are_refused_with_another_model(by_truth: Tuning, tiny_path: Path) -> None:
    settings, _ = classifier_settings(by_truth.file, [f'model:={tiny_path}'])
    with pytest.raises(EevitError, match='is not the model that model_sha256 names'):
        open_engine(settings)


def test_tune_says_what_to_do_next(
    short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / 'truth.csv'
    truth.write_text('frame,label\n0,unicorn\n1,bear\n99,bear\n')
    out = tmp_path / 'out'
    code = main(
        [
            'tune',
            str(short),
            str(tmp_path / 'nowhere'),
            '--truth',
            str(truth),
            '--model',
            str(MODEL),
            '--out',
            str(out),
        ]
    )
    assert code == 3
    said = capsys.readouterr().out
    assert '2 frames, right means: as the truth, of the frames that have one' in said
    assert 'thresholds chosen on fewer than 500 frames promise little' in said
    assert 'skipped or suspicious: 1 of 3 labels' in said
    assert 'skipped or suspicious: the truth has 1 class(es) that the model does not know' in said
    assert 'skipped or suspicious: nowhere was skipped: there is no' in said
    file = out / 'thresholds.yaml'
    assert f'Next: give {file} to the node' in said
    options = ['--params', str(file), '--model', str(MODEL), '--out', str(tmp_path / 'run')]
    assert main(['run', str(short), *options, '--latency', '20']) == 0


def test_frames_that_cannot_be_read_are_left_out_and_none_at_all_is_an_error(
    tmp_path: Path, bag: Path
) -> None:
    folder = tmp_path / 'pictures'
    folder.mkdir()
    (folder / '0.jpg').write_bytes(b'no picture')
    (folder / '2.jpg').write_bytes(b'')
    with pytest.raises(ReplayError) as refused:
        tune(folder, None)
    assert str(refused.value).startswith('no frame could be read\n')
    assert '0.jpg' in str(refused.value)
    frame = next(iter(open_source(bag, None)))
    (folder / '1.jpg').write_bytes(frame.data)
    tuning = tune(folder, None)
    assert tuning.frames == 1
    first, count = tuning.problems
    assert first.startswith('pictures: frame 0 was skipped: ') and '0.jpg' in first
    assert count == 'pictures: 2 frames were skipped in all'
    assert tuning.proposals[-1].checked is None


def test_thresholds_are_not_tuned_for_another_policy(tmp_path: Path) -> None:
    settings, _ = classifier_settings(None, ['exit_policy:=patience', 'thresholds:=0.5'])
    with pytest.raises(ReplayError, match="leave exit_policy out. Got 'patience'"):
        tune_thresholds(
            [], ReplayOptions(settings, LimitSettings()), max_drop=DROP, folder=tmp_path
        )
