"""The lifecycle node `classifier`: its transitions, its live parameters and its process."""

from __future__ import annotations

import sys
import threading
import traceback
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.parameter import Parameter

from eevit_ros.errors import EevitError
from eevit_ros.model.engine import Engine
from eevit_ros.nodes import process as node_process
from eevit_ros.nodes.classifier.activation import Activation
from eevit_ros.nodes.classifier.publishers import CommonPublishers
from eevit_ros.nodes.declare import declare, take_whole_numbers, warn_of_unknown
from eevit_ros.nodes.process import EXIT_NOT_CONFIGURED, SPIN_S
from eevit_ros.parameters.cameras import CameraSettings, camera_settings, camera_specs, why_unknown
from eevit_ros.parameters.classifier import SPECS, Settings, open_engine
from eevit_ros.settings import Spec, from_values

MAY_BE_EMPTY = {
    'thresholds': Parameter.Type.DOUBLE_ARRAY,
    'cameras': Parameter.Type.STRING_ARRAY,
}


class ClassifierNode(LifecycleNode):
    """Configured, it holds a model; active, it answers images by an `Activation`."""

    def __init__(self) -> None:
        """Declare parameters and publishers.

        Raises:
            EevitError: A parameter was given a wrong type or a value out of range.
        """
        super().__init__('classifier')
        self._specs = declare_parameters(self)
        self._own_publishers = CommonPublishers(self, cameras_of(self))
        self._cameras: dict[str, CameraSettings] = {}
        self._engine: Engine | None = None
        self._activation: Activation | None = None
        take_whole_numbers(self, self._specs)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._rclpy_change_state = self._service_change_state.callback
        self._service_change_state.callback = self._on_change_state

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters and load the model."""
        return self._attempt('configure', self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Enable the publishers, subscribe and answer."""
        super().on_activate(state)  # first, so that the latched label_info goes out
        outcome = self._attempt('activate', self._activate)
        if outcome != TransitionCallbackReturn.SUCCESS:
            super().on_deactivate(state)
        return outcome

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop publishing; the model stays loaded."""
        self._stop_answering()
        self.get_logger().info('deactivated: no images are taken, nothing is published')
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        self.release()
        self.get_logger().info('cleaned up: no model is loaded')
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop answering and free the model."""
        self.release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured."""
        self.release()
        return super().on_error(state)

    def release(self) -> None:
        """Stop answering and free the model, if there is one."""
        self._stop_answering()
        self._engine = None

    def _on_change_state(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        # rclpy raises for a request out of turn ('configure' while active), which ends the process.
        try:
            return self._rclpy_change_state(request, response)
        except rclpy_implementation.RCLError as err:
            wanted = request.transition.label or f'id {request.transition.id}'
            state = self._state_machine.current_state[1]
            self.get_logger().error(f'no transition {wanted} from state {state}: {err}')
            response.success = False
            return response

    def _attempt(self, transition: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        # rclpy turns an exception in a transition into an error state and drops the reason.
        try:
            action()
        except EevitError as err:
            self.get_logger().fatal(f'cannot {transition}: {err}')
        except Exception:
            self.get_logger().fatal(f'cannot {transition}:\n{traceback.format_exc()}')
        else:
            return TransitionCallbackReturn.SUCCESS
        return TransitionCallbackReturn.FAILURE

    def _configure(self) -> None:
        values = read_parameters(self, self._specs)
        settings = from_values(Settings, values)
        self._cameras = camera_settings(values)
        for camera, own in self._cameras.items():
            if own.region.regions:
                self._own_publishers.cameras[camera].open_regions()
        engine = open_engine(settings, lambda text: self.get_logger().info(text))
        engine.warm_up()
        self._engine = engine
        self.get_logger().info(
            f'model {engine.metadata.name} from {settings.model} on {engine.provider} '
            f'({engine.execution}), exit policy {engine.exit_policy}, exits after '
            f'layers {engine.metadata.exit_layers} of {engine.metadata.layers}, thresholds '
            f'{engine.thresholds}'
            + (f'; promise: {engine.promise}' if engine.metadata.promise else '')
        )
        cache_note = engine.engine_cache.note if engine.engine_cache else ''
        for note in filter(None, [engine.provider_note, cache_note]):
            self.get_logger().warning(note)

    def _activate(self) -> None:
        if self._engine is None:
            raise EevitError('no model is loaded: configure the node first')
        node_process.keep_freed_memory()  # not before, for the model's file is freed at once
        self._activation = Activation(self, self._engine, self._cameras, self._own_publishers)

    def _stop_answering(self) -> None:
        if self._activation is not None:
            self._activation.stop()
            self._activation = None
            node_process.give_memory_back()

    def _on_set_parameters(self, changed: Sequence[Parameter]) -> SetParametersResult:
        try:
            self._change({p.name: p.value for p in changed if p.name in self._specs})
        except EevitError as err:
            return SetParametersResult(successful=False, reason=str(err))
        return SetParametersResult(successful=True)

    def _change(self, changes: dict[str, Any]) -> None:
        """Check changed parameters and apply the live ones: all of them or none."""
        for name, value in changes.items():
            if value is None:
                raise EevitError(f"parameter '{name}' cannot be removed")
            self._specs[name].setting(name, value)
        present = read_parameters(self, self._specs)
        if _plain(changes.get('cameras', present['cameras'])) != _plain(present['cameras']):
            raise EevitError(
                "parameter 'cameras' is read at start: start the node with the new one"
            )
        if self._engine is not None:
            self._apply(changes, present, self._engine)
        for name, value in changes.items():
            new, old = _plain(value), _plain(present[name])
            if new != old:
                was = 'not set' if old is None else repr(old)
                self.get_logger().info(f"parameter '{name}' is now {new!r}, was {was}")

    def _apply(self, changes: dict[str, Any], present: dict[str, Any], engine: Engine) -> None:
        for name, value in changes.items():
            if not self._specs[name].live and value != present[name]:
                raise EevitError(
                    f"parameter '{name}' is fixed while the node is configured: clean up, set it, "
                    'then configure again (ros2 lifecycle set <node> cleanup ...)'
                )
        settings = from_values(Settings, {**present, **changes})
        cameras = camera_settings({**present, **changes})
        if 'thresholds' in changes:
            engine.thresholds = settings.thresholds or engine.default_thresholds
        if self._activation is not None:
            self._activation.change(cameras)
        self._cameras = cameras


def declare_parameters(node: Node) -> dict[str, Spec]:
    """Declare the classifier's parameters, with those of its cameras, and return their specs.

    Raises:
        EevitError: A given value has the wrong type or is out of range; names the parameter.
    """
    for name, spec in SPECS.items():
        value = declare(node, name, spec)
        # An empty list has no element to tell its type by: ROS tools would call it not set.
        if name in MAY_BE_EMPTY and value in (None, []):
            node.set_parameters([Parameter(name, MAY_BE_EMPTY[name], [])])
        elif value is None:
            raise EevitError(f"parameter '{name}' must not be empty. Got nothing or an empty list")
    cameras = cameras_of(node)
    own = camera_specs(cameras)
    for name, spec in own.items():
        declare(node, name, spec, optional=True)
    warn_of_unknown(node, partial(why_unknown, cameras=cameras))
    return SPECS | own


def cameras_of(node: Node) -> tuple[str, ...]:
    """Return the names of several cameras; none for the only one.

    Raises:
        EevitError: There is a wrong one.
    """
    names: tuple[str, ...] = SPECS['cameras'].setting(
        'cameras', node.get_parameter('cameras').value
    )
    return names


def _plain(value: Any) -> Any:
    """Return a parameter's value as people write it."""
    return list(value) if isinstance(value, array) else value


def read_parameters(node: Node, specs: Iterable[str] = SPECS) -> dict[str, Any]:
    """Return the declared parameters' values by name; None where an optional one has none."""
    return {name: node.get_parameter(name).value for name in specs}


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    Returns:
        The exit code: 0, or 2 when `autostart` fails because the model or a parameter is wrong.
    """
    return node_process.run('classifier', _run, args)


def _run(stop: threading.Event) -> int:
    try:
        node = ClassifierNode()
    except EevitError as err:
        get_logger('classifier').fatal(str(err))
        return EXIT_NOT_CONFIGURED
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if node.get_parameter('autostart').value and not _start(node):
            return EXIT_NOT_CONFIGURED
        while not stop.is_set():
            executor.spin_once(timeout_sec=SPIN_S)
    finally:
        node.release()
        executor.shutdown()
        node.destroy_node()
    return 0


def _start(node: ClassifierNode) -> bool:
    success = TransitionCallbackReturn.SUCCESS
    return all(step() == success for step in (node.trigger_configure, node.trigger_activate))


if __name__ == '__main__':
    sys.exit(main())
