"""What `evaluate` prints of its figures."""

from __future__ import annotations

from typing import Any


def _class_lines(figures: dict[str, Any]) -> list[str]:
    if not figures['worst_classes']:
        return []
    return [
        '',
        '| worst classes | accuracy | images | taken for |',
        '|---|---|---|---|',
        *(
            f'| {row["class"]} | {row["accuracy"]:.1%} | {row["images"]} | {row["taken_for"]} |'
            for row in figures['worst_classes']
        ),
    ]


def _right_there(row: dict[str, Any]) -> str:
    """Return the accuracy of the images that left at an exit; nothing if none did."""
    return f'{row["accuracy"]:.1%}' if row['share'] else ''


def figures_table(figures: dict[str, Any]) -> str:
    """Return the figures of a file as it answers on the robot, in Markdown."""
    lines = ['', '| layer | share | accuracy | p50 ms | p99 ms |', '|---|---|---|---|---|']
    for row in figures['exits']:
        times = [f'{row[key]:.1f}' if row[key] is not None else '' for key in ('p50_ms', 'p99_ms')]
        lines.append(
            f'| {row["layer"]} | {row["share"]:.1%} | {_right_there(row)} '
            f'| {times[0]} | {times[1]} |'
        )
    fixed = figures['fixed_exit']
    lines += _class_lines(figures)
    lines += [
        '',
        '| | accuracy | MACs |',
        '|---|---|---|',
        f'| early exit | {figures["accuracy"]:.2%} | {figures["mean_macs"] / 1e6:.0f} M |',
        f'| fixed exit, layer {fixed["layer"]} | {fixed["accuracy"]:.2%} '
        f'| {fixed["macs"] / 1e6:.0f} M |',
        f'| full depth, without exits | {figures["accuracy_full_depth"]:.2%} '
        f'| {figures["backbone_macs"] / 1e6:.0f} M |',
        '',
        f'{figures["images"]} images; speed-up by layers {figures["speedup_layers"]:.2f}x, by MACs '
        f'{figures["speedup_macs"]:.2f}x, by wall clock against full depth '
        f'{figures["speedup_wall_clock"]:.2f}x '
        f'({figures["mean_ms"]:.1f} ms against {figures["full_depth_ms"]:.1f} ms)',
        f'promise: {figures["promise"]}',
    ]
    return '\n'.join(lines)


def policy_table(figures: dict[str, Any]) -> str:
    """Return the figures under another policy, which has no times, in Markdown."""
    lines = ['', '| layer | share | accuracy |', '|---|---|---|']
    lines += [
        f'| {row["layer"]} | {row["share"]:.1%} | {_right_there(row)} |' for row in figures['exits']
    ]
    lines += _class_lines(figures)
    lines += [
        '',
        f'{figures["policy"]}: {figures["accuracy"]:.2%} of {figures["images"]} images at '
        f'{figures["speedup_macs"]:.2f}x fewer MACs, {figures["speedup_layers"]:.2f}x fewer layers'
        f'; full depth {figures["accuracy_full_depth"]:.2%}',
    ]
    return '\n'.join(lines)
