"""Lightning Fabric for a run: in one process, or in those that torchrun started.

    torchrun --nproc-per-node 4 -m model_export train recipe.yaml --data data --out runs/mine

Fabric owns device, precision and gradient sync. Each process takes its share of every batch, and
gradients are averaged: the training of one process, for losses that are means over images. Batch
norms (in `lph` heads) see the share of their own process.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from model_export.errors import ModelExportError
from model_export.network.predict import best_device, has_bfloat16

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def launch_fabric() -> Fabric:
    """Return Fabric on the best device, connected to the other processes of torchrun.

    Raises:
        ModelExportError: Lightning Fabric is not installed.
    """
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.plugins import MixedPrecision, Precision
        from lightning_fabric.plugins.environments import TorchElasticEnvironment
        from lightning_fabric.strategies import DDPStrategy
    except ImportError as err:
        raise ModelExportError(
            f"training needs Lightning Fabric ({err}): pip install '.[train]'"
        ) from err

    class ExactInputs(MixedPrecision):
        def convert_input(self, data: Any) -> Any:
            return data  # Fabric would round pixels and targets to bfloat16

    logging.getLogger('lightning_fabric').setLevel(logging.WARNING)
    processes = int(os.environ.get('WORLD_SIZE', '1'))
    on_this_machine = int(os.environ.get('LOCAL_WORLD_SIZE', processes))
    device = best_device()
    fabric = Fabric(
        accelerator=device.type,
        devices=on_this_machine,
        num_nodes=processes // on_this_machine,
        # A step may leave parameters without gradient: layer by layer, dropped, alternating.
        strategy=DDPStrategy(
            cluster_environment=TorchElasticEnvironment(), find_unused_parameters=True
        )
        if processes > 1
        else 'auto',
        plugins=ExactInputs('bf16-mixed', device.type) if has_bfloat16(device) else Precision(),
    )
    fabric.launch()
    return fabric
