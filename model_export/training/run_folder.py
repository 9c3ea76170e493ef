"""What a training run writes while it runs: `checkpoint.pt` and `log.csv`."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterator
from pathlib import Path

import torch

from eevit_ros.reporting.only_run import only_run as hold_folder
from model_export.weights.checkpoint import Checkpoint


@contextlib.contextmanager
def only_run(out: Path) -> Iterator[None]:
    """Hold the folder of a run for this training alone; other processes of it pass.

    Raises:
        EevitError: Another training runs in it, or it cannot be written.
    """
    if int(os.environ.get('RANK', '0')):
        yield
        return
    with hold_folder(out, 'training', '--out'):
        yield


class RunFolder:
    """The folder of a run."""

    def __init__(self, path: Path, exit_layers: tuple[int, ...]) -> None:
        """Write to `path`, which is made when it is needed, of a model with these exits."""
        self.path = path
        self.exit_layers = exit_layers

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; a kill never leaves half a file."""
        partial = self.path / 'checkpoint.partial'
        with partial.open('wb') as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self.path / 'checkpoint.pt')

    def log(
        self, stage: int, step: int, loss: float, rate: float, accuracy: list[float] | None
    ) -> None:
        """Append a row; `accuracy` of each exit and, last, of the final classifier, if known."""
        path = self.path / 'log.csv'
        new = not path.exists()
        with path.open('a', newline='') as file:
            writer = csv.writer(file)
            if new:
                exits = [f'held_out_layer_{layer}' for layer in self.exit_layers]
                writer.writerow(
                    ['stage', 'step', 'loss', 'learning_rate', *exits, 'held_out_final']
                )
            cells = (
                [f'{a:.4f}' for a in accuracy] if accuracy else [''] * (len(self.exit_layers) + 1)
            )
            writer.writerow([stage, step, f'{loss:.4f}', f'{rate:.3g}', *cells])

    def cut_log(self, stage: int, step: int) -> None:
        """Drop what was logged after the checkpoint: it is about to be logged again."""
        path = self.path / 'log.csv'
        if not path.exists():
            return
        rows = path.read_bytes().splitlines(keepends=True)
        kept = [row for row in rows[1:] if _place(row) <= (stage, step)]
        path.write_bytes(b''.join(rows[:1] + kept))


def _place(row: bytes) -> tuple[int, int]:
    stage, step = row.split(b',')[:2]
    return int(stage), int(step)
