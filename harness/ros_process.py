"""Running nodes as real processes and talking to them over real rclpy, without fixed sleeps.

with RosPeer() as peer, NodeProcess(peer.domain_id, ['-p', 'top_k:=3'], log) as node:
    rates = peer.listen(Float32, '/classifier/adaptive_rate')
    peer.until(lambda: rates, 'a rate', node=node)
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import rclpy
from rcl_interfaces.srv import ListParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from harness.domains import THIS_COMPUTER, claim_domain
from harness.paths import ROOT

T = TypeVar('T')

DEADLINE_S = 120.0
"""How long to wait for what comes within a second or two on an idle machine."""

REPEAT_S = 2.0
PERIOD_S = 0.05
"""Between repetitions of `each` while waiting: a camera of about 20 Hz."""

SENSOR_DATA = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def node_environment(domain_id: int) -> dict[str, str]:
    """Return the environment of a process on this test's domain, seen by this computer alone."""
    return {
        **os.environ,
        **THIS_COMPUTER,
        'ROS_DOMAIN_ID': str(domain_id),
        'PYTHONPATH': os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]),
        'PYTHONUNBUFFERED': '1',
    }


class NodeProcess:
    """A node as a process of its own; its output goes to a file and into failure messages."""

    def __init__(
        self,
        domain_id: int,
        ros_args: Sequence[str],
        log: Path,
        command: Sequence[str] = (sys.executable, '-m', 'eevit_ros.nodes.classifier.node'),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._log = log
        with log.open('w') as output:
            self.process = subprocess.Popen(
                [*command, '--ros-args', *ros_args],
                env={**node_environment(domain_id), **environment},
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def output(self) -> str:
        """Return all that it printed so far."""
        return self._log.read_text(errors='replace')

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'the node did not end; it said:\n{self.output()}') from None

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, wait, return the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait_for_output(self, text: str) -> None:
        """Wait until it printed `text`."""
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.output():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f'the node never said {text!r}, only:\n{self.output()}')
            time.sleep(PERIOD_S)


START_IN_TURN = """
import importlib, json, sys
main = importlib.import_module(f'eevit_ros.nodes.{sys.argv[1]}').main
for ros_args in json.loads(sys.argv[2]):
    print('exit code', main(['--ros-args', *ros_args]), flush=True)
"""


def refused_starts(
    domain_id: int, module: str, cases: Sequence[Sequence[str]]
) -> list[tuple[int, str]]:
    """Start a node once for each list of ROS arguments, all of which end it.

    In turn in one process, because a process spends its time importing.

    Args:
        domain_id: Domain to start on.
        module: Module of the node below `eevit_ros.nodes`.
        cases: ROS arguments of each start.

    Returns:
        Exit code and output of each.
    """
    run = subprocess.run(
        [sys.executable, '-c', START_IN_TURN, module, json.dumps(cases)],
        env=node_environment(domain_id),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    parts = re.split(r'^exit code (\d+)$', run.stdout, flags=re.MULTILINE)
    assert len(parts) == 2 * len(cases) + 1, run.stdout
    return [(int(code), output) for output, code in zip(parts[::2], parts[1::2], strict=False)]


class RosPeer:
    """The test's own end of the conversation: a node on a domain that it claims for itself."""

    def __init__(self) -> None:
        self.domain_id, self._lock = claim_domain()
        os.environ.update(THIS_COMPUTER)
        self._context = Context()
        rclpy.init(context=self._context, domain_id=self.domain_id)
        self.node = rclpy.create_node('test_peer', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def __enter__(self) -> RosPeer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the domain."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)
        self._lock.close()

    def listen(self, message_type: Any, topic: str, qos: QoSProfile | int = 50) -> list[Any]:
        """Subscribe; return the list to which messages are appended while `until` runs."""
        received: list[Any] = []
        self.node.create_subscription(message_type, topic, received.append, qos)
        return received

    @contextlib.contextmanager
    def listening(
        self, message_type: Any, topic: str, qos: QoSProfile | int = 50
    ) -> Iterator[list[Any]]:
        """As `listen`, for the time of a `with` block."""
        received: list[Any] = []
        subscription = self.node.create_subscription(message_type, topic, received.append, qos)
        yield received
        self.node.destroy_subscription(subscription)

    def until(
        self,
        condition: Callable[[], T],
        what: str,
        *,
        each: Callable[[], object] | None = None,
        node: NodeProcess | None = None,
    ) -> T:
        """Spin until `condition` is true and return its value, calling `each` at 20 Hz meanwhile.

        Fails when it takes longer than the deadline or when `node` ends, with what the node said.
        """
        deadline = time.monotonic() + DEADLINE_S
        due = time.monotonic()
        while not (value := condition()):
            now = time.monotonic()
            ended = node is not None and node.process.poll() is not None
            if now > deadline or ended:
                said = '' if node is None else f'; the node said:\n{node.output()}'
                raise AssertionError(f'{what} did not come{said}')
            if each is not None and now >= due:
                each()
                due = now + PERIOD_S
            self._executor.spin_once(timeout_sec=PERIOD_S if each is None else PERIOD_S / 5)
        return value

    def call(
        self,
        service_type: Any,
        name: str,
        request: Any,
        *,
        node: NodeProcess | None = None,
        once: bool = False,
    ) -> Any:
        """Call a service as soon as it is there and return the response.

        A node may answer before it knows who asked, and the response is lost: it is asked again.
        With `once`, for what must not be asked twice, it is first asked for something else by a
        client that is newer: discovery keeps the order, so who knows that one knows this one.
        """
        client = self.node.create_client(service_type, name)
        futures: list[Any] = []
        asked = -REPEAT_S

        def ask() -> None:
            nonlocal asked
            if not futures or (not once and time.monotonic() > asked + REPEAT_S):
                asked = time.monotonic()
                futures.append(client.call_async(request))

        def answered() -> Any:
            return next((future for future in futures if future.done()), None)

        try:
            self.until(client.service_is_ready, f'the service {name}', node=node)
            if once:
                others = f'{name.rpartition("/")[0]}/list_parameters'
                self.call(ListParameters, others, ListParameters.Request(), node=node)
            return self.until(answered, f'the response of {name}', each=ask, node=node).result()
        finally:
            self.node.destroy_client(client)
