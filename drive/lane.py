"""One robot's processes, driving one path after the other.

    python -m drive.lane NAME FOLDER DRIVE...

A DRIVE is SEED (behind the real nodes, in real time) or SEED:SPEED:AGE (constant speed in m/s, its
frames sent to the same real classifier as fast as it answers; AGE, seconds, is how late the answers
are taken to come, as measured in real time). Results go as lines of JSON to FOLDER/NAME.jsonl, a
line of progress between them. `drive.run` starts several lanes at once.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import cv2

from drive.client import Client
from drive.errors import DriveError
from drive.journey import Frame, Journey, drive_at_constant_speed
from drive.real_nodes import drive_in_real_time, real_nodes
from drive.scene.camera import frame_noise, photograph
from drive.scene.pictures import Image, read_pictures
from drive.scene.world import make_world
from harness.errors import HarnessError


def main() -> int:
    """Drive and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('name')
    parser.add_argument('folder', type=Path)
    parser.add_argument('drives', nargs='+')
    parser.add_argument('--model', type=Path)
    args = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    cv2.setNumThreads(1)
    try:
        with (
            (args.folder / f'{args.name}.jsonl').open('w', buffering=1) as out,
            real_nodes(args.name, args.folder, args.model) as client,
        ):
            for drive in args.drives:
                seed, *constant = drive.split(':')
                _write(out, _drive(client, int(seed), [float(value) for value in constant], out))
    except (DriveError, HarnessError) as err:
        print(err, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _drive(client: Client, seed: int, constant: list[float], out: IO[str]) -> dict[str, Any]:
    pictures = read_pictures()
    journey = Journey(make_world(seed), lambda number: pictures[number].label)

    def shoot(frame: Frame) -> Image:
        noise = frame_noise(seed, frame.place_m, frame.number)
        return photograph(pictures[frame.view.picture].pixels, frame.view, noise)

    result: dict[str, Any] = {'seed': seed, 'speed_mps': None}
    if constant:
        speed_mps, age_s = constant
        result['speed_mps'] = speed_mps
        drive_at_constant_speed(
            journey, speed_mps, lambda frame: replace(client.ask(shoot(frame)), age_s=age_s)
        )
    else:
        result |= drive_in_real_time(
            client, journey, shoot, lambda share: _write(out, {'progress': share})
        )
    return result | {
        'seconds': journey.time_s,
        'signs': journey.signs(),
        'ages_ms': [round(1000 * answer.age_s, 1) for _, answer in journey.answers],
        'model': client.facts.get('model', ''),
        'model_hash': client.facts.get('model_hash', ''),
        'provider': client.facts.get('provider', ''),
    }


def _write(out: IO[str], line: dict[str, Any]) -> None:
    out.write(json.dumps(line) + '\n')


if __name__ == '__main__':
    sys.exit(main())
