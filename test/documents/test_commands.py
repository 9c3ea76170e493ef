"""Every command of the pages that a newcomer reads first is one that there is, spelt as it is."""

from __future__ import annotations

import argparse
import configparser
import contextlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.paths import ROOT
from scripts.setup_env import EXTRAS
from test.documents.commands import commands
from test.documents.pages import launch_arguments

PAGES = ['README.md', 'docs/first_steps.md', 'docs/my_first_model.md']
DEMO = 'build/venv'  # what `make demo` makes
CONFIG = configparser.ConfigParser()
CONFIG.read(ROOT / 'setup.cfg')


@pytest.mark.parametrize('page', PAGES)
def test_commands_exist_and_are_spelt_as_they_are(
    page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the environment that the page itself makes for them, or `make demo`."""
    monkeypatch.chdir(tmp_path)  # where a run's folder is made
    environments = {DEMO: set(EXTRAS['demo'])}
    found = commands(page)
    assert found
    for words in found:
        first, rest = Path(words[0]), words[1:]
        environment = environments.get(str(first.parent.parent))
        for word in words:
            if re.match(r'(config|demo|models)/', word):
                assert (ROOT / word).exists(), word
        if words[0] == 'make':
            assert set(rest) <= make_targets()
        elif words[0] in ('cp', 'mkdir'):
            continue
        elif words[:3] == ['python3', '-m', 'venv']:
            environments[words[3]] = set()
        elif words[:2] == ['ros2', 'launch']:
            given = {argument.partition(':=')[0] for argument in words[4:]}
            assert given <= set(launch_arguments(words[3])), words
        elif words[:3] == ['ros2', 'run', 'eevit_ros']:
            assert words[3] == 'replay'
            parse_replay(words[4:], monkeypatch)
        elif first.name == 'pip':
            assert environment is not None, words
            environment |= set(re.findall(r'\w+', rest[1]))
            assert environment <= set(CONFIG['options.extras_require'])
        elif first.name == 'replay':
            assert environment is not None and environment >= {'replay', 'cpu', 'opencv'}, words
            parse_replay(rest, monkeypatch)
        elif rest[:2] == ['-m', 'model_export']:
            assert environment is not None and environment >= {'train', 'cpu', 'opencv'}, words
            parse_model_export(rest[2:], monkeypatch)
        elif first.name == 'python' and rest[0] == '-m':
            assert environment == environments[DEMO], words
            check_node(rest[1], rest[2:])
        else:
            assert first.name == 'python' and f'`{rest[0]}`' in (ROOT / page).read_text(), words


def test_what_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        parse_replay(['run', 'bag', '--modell', 'x'], monkeypatch)
    with pytest.raises(SystemExit):
        parse_model_export(['train', 'recipe.yaml', '--data', 'data'], monkeypatch)
    with pytest.raises(AssertionError):
        check_node('eevit_ros.nodes.bags.player', ['--ros-args', '-p', 'folder:=demo/bag'])


def test_my_first_model_ends_in_a_node_that_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's commands after the training, as they stand there, with a tiny model."""
    pytest.importorskip('rclpy', reason='needs ROS 2 or its wheels: `make test` installs them')
    from harness.ros_process import NodeProcess, RosPeer
    from harness.tiny_model import write_tiny_model

    monkeypatch.setenv('HOME', str(tmp_path))
    for number in range(60):
        folder = tmp_path / 'photos' / ('class 0', 'class 1')[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(
            str(folder / f'{number}.png'), np.full((48, 64, 3), 200 + number % 50, np.uint8)
        )
    ours = tmp_path / 'my_model'
    ours.mkdir()
    write_tiny_model(ours / 'mine.onnx')
    page = 'docs/my_first_model.md'
    (python,) = re.findall(r'^```python\n(.*?)^```', (ROOT / page).read_text(), re.M | re.S)
    (ours / 'listen.py').write_text(python)

    found = [
        [os.path.expanduser(os.path.expandvars(word)) for word in words] for words in commands(page)
    ]
    (replay,) = [words[1:] for words in found if words[0].endswith('/replay')]
    parts = ('nodes.classifier', 'listen.py', 'nodes.bags.player')
    starts = [next(words for words in found if part in ' '.join(words)) for part in parts]
    from eevit_ros.replay.cli import main

    assert main(replay) == 0
    assert (ours / 'replay' / 'report.html').exists()
    with RosPeer() as peer, contextlib.ExitStack() as running:
        nodes = []
        for (_, *words), part in zip(starts, parts, strict=True):
            end = words.index('--ros-args') if '--ros-args' in words else len(words)
            command = (sys.executable, *words[:end])
            node = NodeProcess(peer.domain_id, words[end + 1 :], tmp_path / part, command)
            nodes.append(running.enter_context(node))
        classifier, listener, player = nodes
        listener.wait_for_output('label class 0')
        assert player.wait() == 0, player.output()
        assert listener.stop() == 0, listener.output()
        assert classifier.stop() == 0, classifier.output()


def make_targets() -> set[str]:
    phony = re.search(r'^\.PHONY: (.*)$', (ROOT / 'Makefile').read_text(), re.MULTILINE)
    assert phony
    return set(phony[1].split())


def parse_replay(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the real parser read them; nothing is done."""
    pytest.importorskip('rosbags')
    from eevit_ros.replay import cli, commands

    monkeypatch.setattr(commands, words[0], lambda _: 0)
    assert cli.main(list(words)) == 0


def parse_model_export(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the real parser read them; nothing is done."""
    from model_export.__main__ import COMMANDS, main

    taken: list[argparse.Namespace] = []
    monkeypatch.setattr(COMMANDS[words[0]], 'run', taken.append)
    assert main(list(words)) == 0
    assert taken


def check_node(module: str, words: Sequence[str]) -> None:
    """The node of this module has the parameters that the words set."""
    from eevit_ros.parameters import classifier
    from eevit_ros.parameters.bags import PlayerSettings, RecorderSettings
    from eevit_ros.settings import specs

    known = {
        'eevit_ros.nodes.classifier.node': classifier.SPECS,
        'eevit_ros.nodes.bags.player': specs(PlayerSettings),
        'eevit_ros.nodes.bags.recorder': specs(RecorderSettings),
    }[module]
    assert words[0] == '--ros-args'
    assert set(words[1::2]) <= {'-p'}
    names = {word.partition(':=')[0] for word in words[2::2]}
    assert names <= {*known, 'use_sim_time'}, names
