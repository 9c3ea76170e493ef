"""How a model is computed: on which provider, in which form and precision, with how many threads.

One `Compute` goes from the node's parameters, or from a script, down to ONNX Runtime's session.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eevit_ros.errors import EevitError

# In order of preference; what one cannot compute goes to those after it.
PROVIDERS = {
    'tensorrt': 'TensorrtExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
AUTO, SINGLE, STAGED = 'auto', 'single', 'staged'
EXECUTIONS = (AUTO, SINGLE, STAGED)
TOPOLOGY = 'sys/devices/system/cpu/cpu{}/topology/thread_siblings_list'

Log = Callable[[str], None]
"""Takes one line about something that takes long, for people who wait."""


@dataclass(frozen=True)
class Compute:
    """Compute options of a model, named as the node's parameters.

    Attributes:
        provider: 'auto' for the fastest that works, and the next one when that fails; or the key of
            `PROVIDERS` to insist on.
        threads: CPU threads per frame; 0 uses all cores of this process but one.
        spin: Whether CPU threads wait for each other by spinning while a frame is computed: faster
            than sleeping, but it costs CPU time. They sleep between frames, and always in stages.
        execution: 'single' for one graph that decides by itself, 'staged' for one graph per stretch
            between exits, see `runners`; 'auto' is staged if an exit policy of the host needs it.
            Else it is single: on the CPU that costs no more and loads sooner, and the staged form
            has not run on a GPU yet.
        tensorrt_fp16: Whether TensorRT may compute in half precision; CPU and CUDA compute in the
            file's precision.
        cache_dir: Folder for TensorRT's engines, absolute or from ~; '' is
            $XDG_CACHE_HOME/eevit_ros, else ~/.cache/eevit_ros.
    """

    provider: str = AUTO
    threads: int = 0
    spin: bool = True
    execution: str = AUTO
    tensorrt_fp16: bool = True
    cache_dir: str = ''

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            EevitError: A value is wrong.
        """
        if self.threads < 0:
            raise EevitError(f'threads must be 0 (automatic) or more. Got {self.threads}')
        if self.provider not in (AUTO, *PROVIDERS):
            known = tuple(PROVIDERS)
            raise EevitError(f'provider must be auto or one of {known}. Got {self.provider!r}')
        if self.execution not in EXECUTIONS:
            raise EevitError(f'execution must be one of {EXECUTIONS}. Got {self.execution!r}')
        if self.cache_dir and not os.path.isabs(os.path.expanduser(self.cache_dir)):
            # Relative to what? A node's working directory is anybody's guess.
            raise EevitError(
                "parameter 'cache_dir' must be an absolute path, or begin with ~. "
                f'Got {self.cache_dir!r}'
            )

    @property
    def staged(self) -> bool:
        """Whether the model runs in stages."""
        return self.execution == STAGED

    @property
    def cpu_threads(self) -> int:
        """CPU threads per frame, at least 1; one core is left to the rest of the robot."""
        return self.threads or max(1, all_cores() - 1)

    @property
    def engine_folder(self) -> Path:
        """Folder of all TensorRT engines."""
        folder = self.cache_dir
        if not folder:
            base = os.environ.get('XDG_CACHE_HOME', '')
            # The XDG specification has a relative path ignored.
            folder = os.path.join(base if os.path.isabs(base) else '~/.cache', 'eevit_ros')
        return Path(os.path.expanduser(folder), 'tensorrt')


def all_cores(root: Path = Path('/')) -> int:
    """Count the cores that this process may use, at least 1.

    Two hardware threads of one core count once; CPU affinity (taskset, cpusets) and the quota of
    cgroup version 2 (containers, systemd) are respected.

    Args:
        root: Folder that holds /proc and /sys.
    """
    cores = {_core_of(root, cpu) for cpu in os.sched_getaffinity(0)}
    return max(1, min([len(cores), *_quotas(root)]))


def _core_of(root: Path, cpu: int) -> str:
    """Name the core that a logical CPU belongs to."""
    try:
        return (root / TOPOLOGY.format(cpu)).read_text().strip()
    except OSError:  # some virtual machines have no topology
        return str(cpu)


def _quotas(root: Path) -> list[int]:
    """Return the whole CPUs granted by each control group around this process that has a limit."""
    try:
        lines = (root / 'proc/self/cgroup').read_text().splitlines()
    except OSError:
        return []
    paths = [line.removeprefix('0::').lstrip('/') for line in lines if line.startswith('0::')]
    found = []
    for path in paths:
        group = root / 'sys/fs/cgroup' / path
        for folder in (group, *group.parents):
            if folder == root / 'sys/fs':
                break
            try:
                limit, period = (folder / 'cpu.max').read_text().split()
            except (OSError, ValueError):
                continue
            if limit != 'max':
                found.append(int(limit) // int(period))
    return found
