"""The steps of `check`; each imports what it needs, as a machine may lack it."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.gpu.steps import MissingError, Outcome, Steps
from benchmarks.gpu.transfer.carried import FOLDER, WEIGHTS, Carried
from harness.paths import ROOT

IMAGES = 2000  # held-out ones that the forms answer
PROVIDERS = (('cuda', False), ('tensorrt', False), ('tensorrt', True), ('cpu', False))
"""ONNX Runtime's, and whether in half precision."""
ASKED = 'name,driver_version,memory.total,clocks.sm,power.limit'
TOLD_BY = (
    ('nvidia-smi', f'--query-gpu={ASKED}', '--format=csv,noheader'),
    ('nvpmodel', '-q'),  # a Jetson's power mode and clocks
    ('jetson_clocks', '--show'),
)


@dataclasses.dataclass(frozen=True)
class Check:
    """One call.

    Attributes:
        weights: Trained weights, whose answers are compared.
        data: Data set that they were trained on.
        recipe: Recipe of the model that is timed, with the thesis' exits.
        peer: A checkout of the thesis' code.
        exported: A folder of files that are timed in place of what would be exported here.
        files: Folder for exported files.
        device: Where torch computes.
        providers: ONNX Runtime's to try: a key of `compute.PROVIDERS`, and whether in fp16.
        rounds: How often the sides of a comparison take turns.
        runs: Frames of each exit in a round.
    """

    weights: Path
    data: Path | None
    recipe: Path
    peer: Path | None
    exported: Path | None
    files: Path
    device: str
    providers: Sequence[tuple[str, bool]]
    rounds: int
    runs: int

    def machine(self) -> Outcome:
        """Say what card and which libraries this is."""
        there = [command for command in TOLD_BY if shutil.which(command[0])]
        notes = [f'{" ".join(command)} says: {_said(command)}.' for command in there]
        if not there:
            notes.append(f'Clocks are unknown: no {", ".join(tool for tool, *_ in TOLD_BY)} here.')
        try:
            import torch

            notes.append(f'CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}.')
        except ImportError as err:
            notes.append(f'Without torch: {err}.')
        from eevit_ros.model.ort_session import available_providers

        notes.append(f'ONNX Runtime offers {", ".join(available_providers())}.')
        return Outcome([], notes)

    def forms(self) -> Outcome:
        """Compare float16 and bfloat16 with float32 in torch."""
        import torch

        from benchmarks.gpu.forms import check_forms
        from model_export.data import evaluation_batch
        from model_export.network.fold import fold
        from model_export.weights.stored import load_model, load_training_data

        if not self.weights.exists():
            raise MissingError(f'there are no weights in {self.weights}')
        if not self.data:
            raise MissingError('there are no data: give --data')
        model, _ = load_model(self.weights)
        _, held_out = load_training_data(self.weights, model.recipe, self.data)
        held_out = held_out.spread(IMAGES)
        images = evaluation_batch(held_out.images, model.recipe.backbone.image_size)
        device = torch.device(self.device)
        return check_forms(fold(model), torch.from_numpy(images), held_out.labels, device)

    def graphs(self) -> Outcome:
        """Time stages as CUDA graphs beside the thesis' code and a plain ViT."""
        import torch

        from benchmarks.gpu.graphs import compare
        from model_export.recipe.recipe import load_recipe

        recipe, device = load_recipe(self.recipe), torch.device(self.device)
        return compare(recipe, self.peer, device, rounds=self.rounds, runs=self.runs)

    def answers_on(self, provider: str) -> Outcome:
        """Compare exported files on a provider of ONNX Runtime with torch."""
        import torch

        from benchmarks.gpu.forms import check_files
        from model_export.network.fold import fold
        from model_export.weights.stored import load_model

        model = fold(load_model(self.weights)[0])
        return check_files(model, provider, self.files, torch.device(self.device))

    def times_on(self, provider: str, fp16: bool) -> Outcome:
        """Time exported files on a provider of ONNX Runtime."""
        from benchmarks.gpu.files import export_sides, need, sides_in, time_sides

        need(provider)
        if self.exported:
            sides, missing = sides_in(self.exported)
        else:
            sides, missing = export_sides(self.recipe, self.files, self.peer)
        found = time_sides(sides, provider, fp16, min(3, self.rounds), self.runs)
        return found._replace(notes=[*found.notes, *missing])


def check_of(args: Namespace, carried: Carried) -> Check:
    """Return the call that a command line of `check` asks for."""
    return Check(
        weights=carried.find('weights') or WEIGHTS,
        data=args.data or carried.find('data'),
        recipe=ROOT / 'config' / 'recipes' / 'lgvit_vit_b16.yaml',
        peer=args.peer or carried.find('peer'),
        exported=args.files,
        files=FOLDER / 'files',
        device='cuda',
        providers=PROVIDERS,
        rounds=10,
        runs=10,
    )


def run_check(check: Check, steps: Steps) -> None:
    """Take the steps of a call, what matters most first."""
    steps.run('machine', check.machine)
    steps.run('forms', check.forms)
    steps.run('graphs', check.graphs)
    for provider, fp16 in check.providers:
        if not fp16:
            steps.run(f'answers on {provider}', partial(check.answers_on, provider))
        words = f'times on {provider}' + ', fp16' * fp16
        steps.run(words, partial(check.times_on, provider, fp16))


def _said(command: Sequence[str]) -> str:
    """Return what a tool says, in one line."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as err:
        return f'nothing ({err})'
    return '; '.join((done.stdout + done.stderr).split('\n')).strip('; ')
