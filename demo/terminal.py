"""What the demo prints: a live line per frame, and the closing summary."""

from __future__ import annotations

import sys
from typing import Any

from demo.records import FrameRecord

HEADER = (
    '  time  shows           answer            conf  layers              rate             '
    'latency      age'
)
MANY = 0.9  # share of frames that a computer that is not overloaded answers
_COLOURS = {'green': 32, 'red': 31, 'grey': 90, 'bold': 1}


def paint(text: str, colour: str) -> str:
    """Colour a text where the terminal can."""
    return f'\033[{_COLOURS[colour]}m{text}\033[0m' if sys.stdout.isatty() else text


def frame_line(record: FrameRecord, first_ns: int) -> str:
    """Return one frame's line; `first_ns` is the first frame's stamp."""
    layers = record.layers
    mark = paint('✓', 'green') if record.right else paint('✗', 'red')
    age = '     ?' if record.age_ms is None else f'{record.age_ms:6.0f}'
    depth = '█' * record.exit_layer + '░' * (layers - record.exit_layer)
    speed = round(10 * record.adaptive_rate)
    return (
        f'{(record.stamp_ns - first_ns) * 1e-9:5.1f}s  {record.truth:<14.14}  '
        f'{record.label:<14.14} {mark} '
        f'{record.confidence:5.2f}  {depth} {record.exit_layer:2d}/{layers}  '
        f'{"█" * speed + "░" * (10 - speed)} {record.adaptive_rate:4.2f}  '
        f'{record.latency_ms:6.1f} ms {age} ms'
    )


def summary_text(summary: dict[str, Any]) -> str:
    """Return the closing summary."""
    overall, layers = summary['overall'], summary['layers']
    lost, dropped = summary['frames_lost'], summary['frames_dropped']
    lines = [
        '',
        paint(f'{summary["model"]["name"]} on {summary["provider"]}', 'bold')
        + f', {summary["machine"]["cpu"]}, {summary["machine"]["cores"]} cores',
        f'  frames     {summary["frames_answered"]} of {summary["frames_played"]} answered at '
        f'{summary["camera_hz"]:.1f} Hz, {dropped} dropped for newer ones, '
        f'{lost} lost in transport',
    ]
    if summary['frames_answered'] < MANY * summary['frames_played']:
        lines.append(
            f'  note       too few answers: this computer was busy (load '
            f'{summary["machine"]["load_before"]} before the start) or is too slow for the model'
        )
    lines += [
        '',
        f'  {"":<17}right    conf   layers   rate mean    min',
    ]
    for group in [*summary['thirds'], {'name': 'all frames', **overall}]:
        if group['frames']:
            lines.append(
                f'  {group["name"]:<14} {100 * group["accuracy"]:5.1f} %  '
                f'{group["confidence"]:6.2f} {group["mean_exit_layer"]:5.1f}/{layers}  '
                f'{group["rate"]["mean"]:10.2f} {group["rate"]["min"]:6.2f}'
            )
        else:
            lines.append(f'  {group["name"]:<14} no frame answered')
    lines += ['', f'  {"left after":<12}frames    share    latency p50      p99']
    for layer, count in overall['exit_histogram'].items():
        spread = summary['latency_ms']['per_exit'][layer]
        lines.append(
            f'  layer {layer:>2}    {count:6d}  {100 * count / overall["frames"]:5.1f} %   '
            f'{spread["p50"]:9.1f} ms {spread["p99"]:6.1f} ms'
        )
    age = summary['age_ms']
    if age['count']:
        lines += ['', f'  age of an answer: p50 {age["p50"]:.1f} ms, p99 {age["p99"]:.1f} ms']
    return '\n'.join(lines)
