from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from drive.policy import AT_FLOOR, CONSTANT, FULL, OURS, RATE
from drive.report.comparison import compare
from drive.report.page import write_report
from drive.scene.pictures import read_pictures
from drive.scene.world import make_world

SPEEDS = {FULL: 20.0, AT_FLOOR: 20.0, OURS: None, CONSTANT: 20.0}  # m/s: a short film


def made_up(seed: int, policy: str) -> dict[str, Any]:
    """A drive of 2.5 s, every second sign read, every third answer wrong."""
    world, pictures = make_world(seed), read_pictures()
    signs = [
        {
            'place_m': sign.place_m,
            'picture': sign.picture,
            'label': pictures[sign.picture].label,
            'zone': sign.zone,
            'read_m': 1.0 if number % 2 else None,
            'answers': 3,
        }
        for number, sign in enumerate(world.signs)
    ]
    result: dict[str, Any] = {
        'seed': seed,
        'speed_mps': SPEEDS[policy],
        'seconds': 2.5,
        'signs': signs,
        'ages_ms': [20.0, 30.0],
    }
    if policy != OURS:
        return result
    places = [(n, 0.9 * n) for n in range(48)]
    frames = [
        {
            'time_s': n / 20,
            'place_m': place,
            'speed_mps': 1.5,
            'number': n,
            'picture': world.view(place).picture,
            'sign': world.view(place).sign,
            'label': 'pear',
            'right': n % 3 > 0,
            'depth': (4 + n % 9) / 12,
            'confidence': 0.8,
            'age_ms': 20.0,
        }
        for n, place in places
    ]
    track = [[n / 20, place, 1.5, 80.0] for n, place in places]
    return result | {'frames': frames, 'track': track}


@pytest.fixture(scope='module')
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('report')
    runs = {policy: [made_up(seed, policy) for seed in (4, 5)] for policy in SPEEDS}
    real_time = {
        'frames_sent': 96,
        'frames_answered': 96,
        'age_ms': {'p50': 20.0, 'p99': 30.0},
        'late_ms': 3.0,
    }
    summary = {
        'comparison': compare(runs),
        'real_time': real_time,
        'rate': RATE,
        'model': {'name': '<b>model</b>', 'sha256': 'ab' * 32},
        'provider': 'cpu',
        'at_once': 2,
        'machine': {'cpu': 'a CPU', 'cores': 2, 'load_before': 0.1, 'system': 's', 'python': '3'},
        'took_s': 300,
    }
    files = write_report(folder, runs, summary, Figure(), 'saved <b>25</b> %')
    assert files[0].name == 'report.html'
    assert all(file.stat().st_size > 0 for file in files)
    return folder


def test_the_page_needs_nothing_beside_itself_and_shows_names_as_text(report: Path) -> None:
    page = (report / 'report.html').read_text('utf-8')
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert links
    assert all(link.startswith(('data:', '#')) for link in links)
    assert '<script' not in page
    assert '<b>model' not in page
    assert '&lt;b&gt;model' in page
    assert 'saved &lt;b&gt;25' in page
    assert 'too few' in page


def test_the_film_moves(report: Path) -> None:
    with Image.open(report / 'drive.webp') as film:
        assert film.n_frames > 5
        first = film.convert('RGB').tobytes()
        film.seek(film.n_frames - 1)
        assert film.convert('RGB').tobytes() != first


def test_the_picture_is_drawn(report: Path) -> None:
    with Image.open(report / 'drive.png') as picture:
        assert picture.width > 1000
        assert np.asarray(picture.convert('L')).std() > 10


def test_the_json_files_hold_runs_and_summary(report: Path) -> None:
    data = json.loads((report / 'report.json').read_text())
    assert data['summary'] == json.loads((report / 'summary.json').read_text())
    assert [run['seed'] for run in data['runs'][OURS]] == [4, 5]
    assert data['summary']['comparison']['seeds'] == 2
