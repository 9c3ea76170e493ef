"""What `python -m model_export` does before any command works."""

from __future__ import annotations

import subprocess
import sys

import pytest

from model_export.__main__ import COMMANDS, main


def test_help_is_shown_without_what_is_slow_to_import() -> None:
    program = (
        'import sys\n'
        'for name in ("torch", "matplotlib", "onnxruntime"): sys.modules[name] = None\n'
        'from model_export.__main__ import main\n'
        'for name in sys.argv[1:]:\n'
        '    try: main([name, "--help"])\n'
        '    except SystemExit as done: assert not done.code\n'
    )
    command = [sys.executable, '-c', program, *COMMANDS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count('usage: ') == len(COMMANDS)


def test_a_missing_package_is_one_line_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, 'torch', None)
    assert main(['train', 'recipe.yaml', '--data', 'data', '--out', 'run']) == 1
    err = capsys.readouterr().err
    assert 'torch' in err and "pip install '.[train]'" in err and err.count('\n') == 1
