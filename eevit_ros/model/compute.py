"""How a model is computed: where, in which form and precision, with how many threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eevit_ros.errors import EevitError
from eevit_ros.model.runners import SINGLE, STAGED

# In order of preference; what one cannot compute goes to those after it.
PROVIDERS = {
    'tensorrt': 'TensorrtExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
# Where those that are not listed keep tensors between stages is the host's memory, 'cpu'.
MEMORY = {'tensorrt': 'cuda', 'cuda': 'cuda'}
EXECUTIONS = ('auto', SINGLE, STAGED)

Say = Callable[[str], None]
"""Takes a line about what goes on, for people who wait."""


@dataclass(frozen=True)
class Compute:
    """What `open_model` needs to know beside the model.

    Attributes:
        provider: 'auto' for the first that works, or the key of `PROVIDERS` to insist on.
        threads: CPU threads for one run; 0 for all cores of this process but one.
        spin: Whether these threads wait for each other's work by spinning while a frame is
            computed, which is quicker than sleeping and costs CPU time. Never between frames.
        execution: 'single' or 'staged'; 'auto' is single, as one graph costs no more and loads
            sooner on the CPU, and the staged form has not run on a GPU yet.
        tensorrt_fp16: Whether TensorRT may compute in half precision. CPU and CUDA compute what
            the file says.
        cache_dir: Where TensorRT's engines are kept; None is `default_cache_dir()`.
    """

    provider: str = 'auto'
    threads: int = 0
    spin: bool = True
    execution: str = 'auto'
    tensorrt_fp16: bool = True
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what is not one of the choices.

        Raises:
            EevitError: A value is wrong.
        """
        if self.threads < 0:
            raise EevitError(f'threads must be 0 (automatic) or more. Got {self.threads}')
        if self.provider not in ('auto', *PROVIDERS):
            known = tuple(PROVIDERS)
            raise EevitError(f'provider must be auto or one of {known}. Got {self.provider!r}')
        if self.execution not in EXECUTIONS:
            raise EevitError(f'execution must be one of {EXECUTIONS}. Got {self.execution!r}')


def default_cache_dir() -> Path:
    """Return $XDG_CACHE_HOME/eevit_ros, else ~/.cache/eevit_ros."""
    base = os.environ.get('XDG_CACHE_HOME', '')
    if not os.path.isabs(base):  # the specification: then it does not count
        base = os.path.expanduser('~/.cache')
    return Path(base, 'eevit_ros')


def check_cache_dir(text: str) -> Path | None:
    """Return the folder that a parameter names; None, for the default, if it is empty.

    Raises:
        EevitError: It depends on the working directory, which for a node is anybody's guess.
    """
    path = os.path.expanduser(text)
    if text and not os.path.isabs(path):
        raise EevitError(
            f"parameter 'cache_dir' must be an absolute path, or begin with ~. Got {text!r}"
        )
    return Path(path) if text else None
