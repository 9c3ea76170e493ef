"""One process, or several that torchrun started, on one machine or many.

    torchrun --nproc-per-node 4 -m model_export train recipe.yaml --data data --out runs/mine

Lightning Fabric connects them; alone, nothing of it is loaded. Each process takes its share of
every batch, and gradients are averaged: the same training as on one, for losses that are means over
images. Batch norms (in `lph` heads) see their own process's share.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor

from model_export.errors import ModelExportError
from model_export.network.predict import best_device
from model_export.training.schemes import Scheme


class Processes:
    """This process and its siblings.

    Attributes:
        count: How many there are.
        rank: Which one this is.
        leads: Whether this is number 0, which writes files and messages.
        device: Where it trains.
    """

    def __init__(self) -> None:
        """Find the siblings, as torchrun's environment variables tell.

        Raises:
            ModelExportError: there are some, but Lightning Fabric is not installed.
        """
        self.count = int(os.environ.get('WORLD_SIZE', '1'))
        self.rank = int(os.environ.get('RANK', '0'))
        self.leads = self.rank == 0
        self._fabric = _launch_fabric() if self.count > 1 else None
        self.device: torch.device = self._fabric.device if self._fabric else best_device()

    def prepare(self, scheme: Scheme, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
        """What is called in place of the scheme, and of the optimizer, so that gradients meet."""
        return self._fabric.setup(scheme, optimizer) if self._fabric else (scheme, optimizer)

    def backward(self, loss: Tensor) -> None:
        """Compute gradients, averaged over the processes."""
        if self._fabric:
            self._fabric.backward(loss)
        else:
            loss.backward()

    def mean(self, values: list[float]) -> list[float]:
        """Average each value over the processes."""
        if not self._fabric:
            return values
        mean: Tensor = self._fabric.all_reduce(torch.tensor(values, device=self.device))
        return mean.tolist()

    def wait(self) -> None:
        """Until all processes are here."""
        if self._fabric:
            self._fabric.barrier()


def _launch_fabric() -> Any:
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments import TorchElasticEnvironment
        from lightning_fabric.strategies import DDPStrategy
    except ImportError as err:
        raise ModelExportError(
            f"several processes need Lightning Fabric ({err}): pip install '.[train]'"
        ) from err
    local = int(os.environ.get('LOCAL_WORLD_SIZE', os.environ['WORLD_SIZE']))
    fabric = Fabric(
        accelerator=best_device().type,
        devices=local,
        num_nodes=int(os.environ['WORLD_SIZE']) // local,
        # A step may leave parameters without gradient: layer by layer, dropped, alternating.
        strategy=DDPStrategy(
            cluster_environment=TorchElasticEnvironment(), find_unused_parameters=True
        ),
    )
    fabric.launch()
    return fabric
