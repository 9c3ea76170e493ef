"""The command line: what it says, which code it ends with, and that it says so before long work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from eevit_ros.replay.cli import main
from eevit_ros.replay.running import pipeline as study
from eevit_ros.reporting.only_run import only_run
from harness.bags import images, truths, write_bag
from harness.paths import ROOT
from test.eevit_ros.replay.written_bags import read

ENVIRONMENT = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONUNBUFFERED': '1'}

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return write_bag(tmp_path / 'bag', images(6, start=100))


@pytest.fixture
def basics(tmp_path: Path, tiny_path: Path) -> list[str]:
    """Options of all runs."""
    return ['--model', str(tiny_path), '--out', str(tmp_path / 'out'), '--latency', '20']


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError('work began')

    monkeypatch.setattr(study, 'run_batch', refuse)
    monkeypatch.setattr('eevit_ros.replay.tuning.AllExits', refuse)


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-c', code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)


HELP = """
import sys
from eevit_ros.replay.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    heavy = {'pandas', 'numpy', 'cv2', 'onnxruntime', 'matplotlib', 'rosbags', 'rclpy'}
    print('imported:', *sorted(heavy & set(sys.modules)))
    sys.exit(end.code)
"""


@pytest.mark.parametrize('command', [[], ['run'], ['compare'], ['tune']])
def test_help_comes_at_once_with_the_exit_codes(command: list[str]) -> None:
    ran = python(HELP, *command, '--help')
    assert (ran.returncode, ran.stderr) == (0, '')
    assert ran.stdout.startswith(f'usage: {" ".join(["replay", *command])}')
    assert 'a requirement is not met' in ' '.join(ran.stdout.split())
    assert ran.stdout.endswith('imported:\n')


MISSING = """
import sys

class Absent:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

sys.meta_path.insert(0, Absent())
from eevit_ros.replay.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ('package', 'extra'), [('pandas', 'replay'), ('rosbags', 'replay'), ('cv2', 'opencv')]
)
def test_a_missing_package_is_named_with_the_command_that_brings_it(
    package: str, extra: str
) -> None:
    ran = python(MISSING, package, 'run', 'bag')
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"replay: {package} is missing: pip install 'eevit_ros[{extra}]'")


OLD = """
import importlib.metadata, sys
importlib.metadata.version = lambda name, ask=importlib.metadata.version: (
    '0.11.5' if name == 'rosbags' else ask(name)
)
from eevit_ros.replay.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_package_that_is_too_old_is_not_called_missing() -> None:
    ran = python(OLD, 'run', 'bag')
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert 'rosbags 0.11.5' in line and 'pip install --upgrade' in line


def test_workers_without_dask_are_told_how_to_get_it(
    bag: Path, basics: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, 'distributed', None)
    assert main(['run', str(bag), *basics, '--workers', '2']) == 1
    assert "several workers need Dask: pip install 'eevit_ros[cluster]'" in capsys.readouterr().err


def test_replay_needs_no_ros(bag: Path, basics: list[str]) -> None:
    ran = python(MISSING, 'rclpy', 'run', str(bag), *basics)
    assert (ran.returncode, ran.stderr) == (0, '')


def test_a_run_writes_its_results_and_says_where(
    bag: Path, basics: list[str], tmp_path: Path, capsys: Capture
) -> None:
    assert main(['run', str(bag), *basics]) == 0
    out = tmp_path / 'out'
    said = capsys.readouterr().out
    assert f'Next: open {(out / "report.html").as_uri()} in a browser' in said
    for name in ('frames.csv', 'limits.csv', 'report.json', 'report.html'):
        assert (out / name).is_file()
    metrics = json.loads((out / 'report.json').read_text())['summary']['metrics']
    assert metrics['frames'] == len(pd.read_csv(out / 'frames.csv')) == 6


@pytest.mark.parametrize(
    ('options', 'code', 'message'),
    [
        ([], 2, 'the following arguments are required: PATH'),
        (['bag', '--workers', '0'], 1, '--workers must be 1 or more. Got 0'),
        (['bag', '--workers', '-3'], 1, '--workers must be 1 or more. Got -3'),
        (['bag', '--workers', 'two'], 2, "invalid int value: 'two'"),
        (['bag', '--latency', '-1'], 1, '--latency must be 0 ms or more. Got -1'),
        (['bag', '--latency', 'nan'], 1, '--latency must be 0 ms or more. Got nan'),
        (['bag', '--latency', 'inf'], 1, '--latency must be 0 ms or more. Got inf'),
        (['bag', '--latency', 'quick'], 1, "--latency must be 'measured', a number of mill"),
        (['bag', '--require', 'nonsense'], 1, '--require takes METRIC>=NUMBER'),
        (['bag', '--require', 'acuracy>=1'], 1, "there is no metric 'acuracy'. One of: accuracy,"),
        (['bag', '-p', 'thresholds=1'], 1, '-p takes NAME:=VALUE'),
        (['bag', '-p', 'threshold:=1'], 1, "unknown parameter 'threshold'"),
        (['bag', '-p', 'thresholds:=[0.1, 0.2, 0.3]'], 1, 'thresholds must be one value or 2'),
        (['bag', '--params', 'nowhere.yaml'], 1, 'cannot read the parameter file nowhere.yaml'),
        (['bag', '--governor-params', 'nowhere.yaml'], 1, 'cannot read the parameter file nowhere'),
        (['bag', '--model', 'nowhere.onnx'], 1, 'nowhere.onnx'),
        (['bag', '--recorded-speed', '0'], 1, '--recorded-speed must be above 0 m/s. Got 0.0'),
        (['bag', '--recorded-speed', 'nan'], 1, '--recorded-speed must be above 0 m/s. Got nan'),
        (['bag', '--reference', 'half'], 2, "invalid choice: 'half'"),
        (['bag', '--real-time', '--as-fast-as-possible'], 2, 'not allowed with argument'),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else '',
)
def test_what_makes_no_sense_is_refused_before_any_work(
    options: list[str], code: int, message: str, basics: list[str], nothing_runs: None,
    capsys: Capture,
) -> None:  # fmt: skip
    try:
        ended = main(['run', *basics[:4], *options])
    except SystemExit as end:
        ended = end.code
    assert ended == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('drop', ['50', '1', '-0.01', 'nan'])
def test_a_drop_that_is_no_share_is_refused(
    drop: str, basics: list[str], nothing_runs: None, capsys: Capture
) -> None:
    assert main(['tune', 'bag', *basics[:4], f'--max-drop={drop}']) == 1
    assert '--max-drop must be a share within [0, 1), 0.01 is 1 %.' in capsys.readouterr().err


def test_an_unknown_command_or_none_is_wrong_usage(capsys: Capture) -> None:
    for arguments in ([], ['rum']):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2
    assert "invalid choice: 'rum'" in capsys.readouterr().err


def test_nothing_that_can_be_replayed_is_a_failure(
    tmp_path: Path, basics: list[str], capsys: Capture
) -> None:
    assert main(['run', str(tmp_path / 'nowhere'), *basics]) == 1
    said = capsys.readouterr().err
    assert said.startswith('replay: nowhere was skipped: there is no')
    assert 'Traceback' not in said
    assert not (tmp_path / 'out' / 'report.html').exists()


def test_a_folder_that_cannot_be_written_is_a_failure(
    bag: Path, basics: list[str], tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / 'file').touch()
    assert main(['run', str(bag), *basics, '--out', str(tmp_path / 'file' / 'out')]) == 1
    assert capsys.readouterr().err.startswith('replay: ')


@pytest.mark.usefixtures('undrawn')
@pytest.mark.parametrize('command', ['run', 'compare', 'tune'])
def test_times_that_cannot_be_harm_no_other_recording(
    bag: Path, tiny_path: Path, tmp_path: Path, capsys: Capture, command: str
) -> None:
    entries = images(6)
    for name, at, time_ns in (('first', 0, 0), ('middle', 3, 2**64 - 1), ('late', 5, 2**61)):
        wrong = [(*e[:2], time_ns if i == at else e[2], e[3]) for i, e in enumerate(entries)]
        write_bag(tmp_path / 'bags' / name, wrong)
    model = f'model:={tiny_path}'
    options = {
        'run': ['-p', model, '--output-bag'],
        'compare': ['-a', model, '-b', model],
        'tune': ['-p', model],
    }[command]
    paths = [str(bag), str(tmp_path / 'bags')]
    assert main([command, *paths, '--out', str(tmp_path / 'out'), *options]) == 3
    told = capsys.readouterr().out
    assert all(f'bags/{name}' in told for name in ('first', 'middle', 'late'))
    if command == 'run':
        report = json.loads((tmp_path / 'out' / 'report.json').read_text())
        assert report['summary']['metrics']['answered'] == 24
        assert report['summary']['metrics']['seconds'] < 5


LITTLE_ROOM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
from eevit_ros.replay.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.usefixtures('undrawn')
def test_a_disk_that_runs_full_is_told_and_the_same_command_goes_on_later(
    bag: Path, basics: list[str], tmp_path: Path
) -> None:
    ran = python(LITTLE_ROOM, 'run', str(bag), *basics, '--output-bag')
    assert ran.returncode == 1
    assert 'Traceback' not in ran.stderr
    assert 'is the disk full?' in ran.stderr
    assert str(tmp_path) in ran.stderr
    assert main(['run', str(bag), *basics, '--output-bag']) == 0


@pytest.mark.usefixtures('undrawn')
def test_what_was_left_out_is_said_and_shown_by_the_code(
    bag: Path, basics: list[str], tmp_path: Path, capsys: Capture
) -> None:
    junit = tmp_path / 'ci' / 'replay.xml'
    broken = tmp_path / 'broken.mcap'
    broken.write_bytes(b'no mcap at all')
    options = ['--require', 'bad==0', '--junit', str(junit)]
    assert main(['run', str(bag), str(broken), *basics, *options]) == 3
    assert 'skipped or suspicious: broken.mcap was skipped' in capsys.readouterr().out
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get('tests'), suite.get('failures')) == ('2', '1')
    failed = suite.find('testcase[@name="all input was evaluated"]/failure')
    assert failed.get('message').startswith('broken.mcap was skipped')
    problems = json.loads((tmp_path / 'out' / 'report.json').read_text())['problems']
    assert len(problems) == 1


@pytest.mark.usefixtures('undrawn')
@pytest.mark.parametrize(
    ('requirement', 'code'),
    [
        ('frames>=6', 0), ('frames>6', 4), ('latency_p99_ms<=20', 0), ('latency_p99_ms<20', 4),
        ('accuracy>=0', 4), ('bad==0', 0),
    ],
)  # fmt: skip
def test_a_requirement_decides_on_the_code(
    bag: Path, basics: list[str], tmp_path: Path, requirement: str, code: int, capsys: Capture
) -> None:
    junit = tmp_path / 'replay.xml'
    options = ['--require', requirement, '--require', 'dropped==0', '--junit', str(junit)]
    assert main(['run', str(bag), *basics, *options]) == code
    assert f'{"NOT MET" if code else "met"}  {requirement}: ' in capsys.readouterr().out
    suite = ElementTree.parse(junit).getroot()
    assert suite.get('failures') == ('1' if code else '0')


@pytest.mark.usefixtures('undrawn')
def test_a_requirement_that_is_not_met_outweighs_what_was_left_out(
    bag: Path, basics: list[str], tmp_path: Path
) -> None:
    assert main(['run', str(bag), str(tmp_path / 'no'), *basics, '--require', 'frames>9']) == 4


@pytest.mark.usefixtures('undrawn')
def test_params_and_single_parameters_reach_the_model_and_the_report(
    bag: Path, basics: list[str], tmp_path: Path
) -> None:
    params = tmp_path / 'params.yaml'
    params.write_text('/**:\n  ros__parameters:\n    thresholds: 0.9\n    top_k: 2\n')
    assert main(['run', str(bag), *basics, '--params', str(params), '-p', 'thresholds:=1.0']) == 0
    rows = pd.read_csv(tmp_path / 'out' / 'frames.csv')
    assert set(rows['exit_layer']) == {4}
    facts = json.loads((tmp_path / 'out' / 'report.json').read_text())['facts']
    assert facts['parameters'].keys() == {'thresholds', 'top_k', 'model'}
    assert facts['parameters']['thresholds'] == '1.0'
    assert facts['model']['thresholds'] == [1.0, 1.0]


@pytest.mark.usefixtures('undrawn')
@pytest.mark.parametrize(
    ('options', 'clock'),
    [
        ([], 'as-fast-as-possible'),
        (['--as-fast-as-possible'], 'as-fast-as-possible'),
        (['--real-time'], 'real-time'),
    ],
)
def test_frames_are_dropped_only_in_real_time(
    tmp_path: Path, basics: list[str], options: list[str], clock: str
) -> None:
    bag = write_bag(tmp_path / 'bag', images(12))
    assert main(['run', str(bag), *basics, '--latency', '150', *options]) == 0
    report = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert report['facts']['clock'] == clock
    assert (report['summary']['metrics']['dropped'] > 0) is (clock == 'real-time')


@pytest.mark.usefixtures('undrawn')
def test_truth_of_a_topic_makes_an_accuracy(
    tmp_path: Path, basics: list[str], capsys: Capture
) -> None:
    labels = ['class 0', 'class 2', 'class 2', 'class 2']
    bag = write_bag(tmp_path / 'bag', images(4) + truths(labels))
    assert main(['run', str(bag), *basics, '--truth', '/camera/truth']) == 0
    metrics = json.loads((tmp_path / 'out' / 'report.json').read_text())['summary']['metrics']
    rows = pd.read_csv(tmp_path / 'out' / 'frames.csv')
    assert rows['truth'].tolist() == labels
    assert metrics['accuracy'] == (rows['label'] == rows['truth']).mean()
    assert metrics['labelled'] == 4


def test_the_time_saved_is_told_by_place(
    tmp_path: Path, basics: list[str], capsys: Capture
) -> None:
    bag, truth = write_bag(tmp_path / 'bag', images(12)), tmp_path / 'truth.csv'
    truth.write_text('first,last,label,place\n1,4,class 0,hall\n6,8,class 2,hall\n9,10,mug,yard\n')
    options = ['--truth', str(truth), '--recorded-speed', '0.2', '--require', 'time_saved<=1']
    assert main(['run', str(bag), *basics, *options]) == 3  # mug is no class
    told = capsys.readouterr().out
    assert 'time saved against a constant speed' in told
    assert 'doubtful: too little truth' in told
    assert 'met  time_saved<=1' in told
    saved = json.loads((tmp_path / 'out' / 'report.json').read_text())['summary']['time_saved']
    assert [(row['name'], row['things']) for row in saved['places']] == [('hall', 2), ('yard', 1)]
    page = (tmp_path / 'out' / 'report.html').read_text()
    assert '<td>yard</td>' in page
    assert main(['run', str(bag), *basics, '--recorded-speed', '0.2']) == 0
    assert 'time saved: unknown' in capsys.readouterr().out


@pytest.mark.usefixtures('undrawn')
def test_the_output_bag_says_what_the_table_says(tmp_path: Path, tiny_path: Path) -> None:
    entries = images(30, start=100)
    entries[15] = images(1, start=15, encoding='infrared')[0]
    bag, out = write_bag(tmp_path / 'bag', entries), tmp_path / 'out'
    options = ['--latency', '150', '--real-time', '--output-bag', '--out', str(out)]
    assert main(['run', str(bag), '--model', str(tiny_path), *options]) in (0, 3)
    rows, limits = pd.read_csv(out / 'frames.csv'), pd.read_csv(out / 'limits.csv')
    answered = rows[rows['status'] == 'answered']
    messages = read(out / 'sources' / 'bag' / 'bag')
    frames = [
        {item.key: item.value for item in message.status[0].values}
        for _, message in messages['/classifier/frame']
    ]
    for column, form in (
        ('label', '{}'), ('exit_layer', '{:.0f}'), ('confidence', '{:.6f}'),
        ('adaptive_rate', '{:.6f}'), ('age_ms', '{:.3f}'),
    ):  # fmt: skip
        assert [values[column] for values in frames] == [*map(form.format, answered[column])]
    dropped = (rows['status'] == 'dropped').cumsum()[answered.index]
    assert [int(values['drops']) for values in frames] == dropped.tolist()
    assert len(dropped.unique()) > 5
    said = {log_ns: message.speed_limit for log_ns, message in messages['/speed_limit']}
    for time_ns, percent in zip(limits['time_ns'], limits['speed_limit_percent'], strict=True):
        assert said[time_ns] == pytest.approx(percent)


@pytest.mark.usefixtures('undrawn')
def test_parquet_holds_the_same_table(bag: Path, basics: list[str], tmp_path: Path) -> None:
    pytest.importorskip('pyarrow', reason='no extra that replay needs brings it')
    assert main(['run', str(bag), *basics, '--parquet']) == 0
    parquet = pd.read_parquet(tmp_path / 'out' / 'frames.parquet')
    rows = pd.read_csv(tmp_path / 'out' / 'frames.csv', keep_default_na=False)
    assert parquet['stamp_ns'].tolist() == rows['stamp_ns'].tolist()
    assert parquet['label'].tolist() == rows['label'].tolist()
    assert parquet['confidence'].tolist() == rows['confidence'].tolist()


def test_a_second_run_into_the_same_folder_is_told_and_the_first_goes_on(
    bag: Path, basics: list[str], tmp_path: Path, capsys: Capture
) -> None:
    with only_run(tmp_path / 'out', 'replay', '--out'):
        assert main(['run', str(bag), *basics]) == 1
    said = capsys.readouterr().err
    assert str(tmp_path / 'out') in said
    assert '--out' in said
    assert 'Traceback' not in said
    assert not (tmp_path / 'out').exists()  # nothing was written
    assert main(['run', str(bag), *basics]) == 0


def test_a_run_that_is_stopped_ends_at_once_and_says_that_it_goes_on(
    tmp_path: Path, basics: list[str]
) -> None:
    for name, count in (('first', 3), ('second', 2000)):
        write_bag(tmp_path / 'bags' / name, images(count))
    command = [sys.executable, '-m', 'eevit_ros.replay', 'run', str(tmp_path / 'bags'), *basics]
    marker = tmp_path / 'out' / 'sources' / 'first' / 'done.json'
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not marker.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert 'the same command again' in said
    assert 'Traceback' not in said
    assert [path.parent.name for path in marker.parents[1].glob('*/done.json')] == ['first']
