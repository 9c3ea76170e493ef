"""How a model is computed: on which provider, in which form and precision, with how many threads.

One `Compute` goes from the node's parameters, or from a script, down to ONNX Runtime's session.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eevit_ros.errors import EevitError
from eevit_ros.settings import check, parameter

# In order of preference; what one cannot compute goes to those after it.
PROVIDERS = {
    'tensorrt': 'TensorrtExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
# The device that keeps tensors between stages; 'cpu' for a provider that is not listed.
MEMORY = {'tensorrt': 'cuda', 'cuda': 'cuda'}
AUTO, SINGLE, STAGED = 'auto', 'single', 'staged'
EXECUTIONS = (AUTO, SINGLE, STAGED)
MOST_THREADS = 256
TOPOLOGY = 'sys/devices/system/cpu/cpu{}/topology/thread_siblings_list'

Log = Callable[[str], None]
"""Takes one line about something that takes long, for people who wait."""


def _cache_dir(folder: str) -> str:
    if folder and not os.path.isabs(os.path.expanduser(folder)):
        # Relative to what? A node's working directory is anybody's guess.
        raise EevitError(
            f"parameter 'cache_dir' must be an absolute path, or begin with ~. Got {folder!r}"
        )
    return folder


@dataclass(frozen=True)
class Compute:
    """Compute options of a model: parameters of the classifier; checks itself."""

    provider: str = parameter(
        AUTO,
        'Execution provider. auto: the best one available, and the next if it fails, even while '
        'running; any other name is used or the node does not start.',
        choices=(AUTO, *PROVIDERS),
    )
    threads: int = parameter(
        0,
        'CPU threads for inference. 0: all cores that this process may use but one, which is left '
        'to the rest of the robot.',
        0,
        MOST_THREADS,
    )
    spin: bool = parameter(
        False,
        'CPU threads spin while they wait for each other within a frame: a little faster where '
        'no other process wants their cores, much slower where one does. Between frames, and with '
        'execution staged, they always sleep. See docs/performance.md.',
    )
    # Single is the automatic choice because on the CPU it costs no more and loads sooner, and the
    # staged form has not run on a GPU yet.
    execution: str = parameter(
        AUTO,
        'single: one graph that decides where to exit. staged: one graph for each stretch between '
        'exits, and the host decides. auto: staged with an exit_policy, else single. See '
        'docs/performance.md.',
        choices=EXECUTIONS,
    )
    tensorrt_fp16: bool = parameter(
        True,
        'Let TensorRT compute in half precision, which changes probabilities slightly. Other '
        'providers use the precision of the model.',
    )
    cache_dir: str = parameter(
        '',
        'Folder for TensorRT engines, absolute or starting with ~; `ros2 run eevit_ros prepare` '
        'fills it before the robot moves. Empty: $XDG_CACHE_HOME/eevit_ros, else '
        '~/.cache/eevit_ros. See docs/performance.md.',
        convert=_cache_dir,
    )

    def __post_init__(self) -> None:
        """Refuse wrong values, naming the parameter."""
        check(self)

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
            # The XDG specification ignores a relative path.
            folder = os.path.join(base if os.path.isabs(base) else '~/.cache', 'eevit_ros')
        return Path(os.path.expanduser(folder), 'tensorrt')


def all_cores(root: Path = Path('/')) -> int:
    """Count the cores that this process may use, 1 to `MOST_THREADS`.

    Two hardware threads of one core count once; CPU affinity (taskset, cpusets) and the quota of
    cgroup version 2 (containers, systemd) are respected.

    Args:
        root: Folder that holds /proc and /sys.
    """
    cores = {_core_of(root, cpu) for cpu in os.sched_getaffinity(0)}
    return max(1, min([len(cores), MOST_THREADS, *_quotas(root)]))


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
