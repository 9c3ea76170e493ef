"""What the tests of the classifier node share: frames to send, answers to read, states to ask."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32, UInt8
from vision_msgs.msg import Classification

from harness.ros_process import SENSOR_DATA, NodeProcess, RosPeer

WHITE, MIDDLE, BLACK = 255, 130, 0  # leave the tiny model after layer 1, 2, 4 of 4
ERROR = b'\x02'
# On a busy machine frames may come a second apart: no reason for these tests to see a stale rate.
PATIENT = ['-p', 'rate.stale_after_s:=3.0', '-p', 'rate.release_per_s:=10.0']
TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE,
    'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE,
    'cleanup': Transition.TRANSITION_CLEANUP,
    'shutdown': Transition.TRANSITION_ACTIVE_SHUTDOWN,  # of an active node
}

_serial = itertools.count(1)


def pixels(grey: int, height: int = 24, width: int = 32) -> np.ndarray:
    """Return uint8 (height, width, 3) of one brightness.

    But for a few pixels that make each picture unique, and a corner of a 64th of the picture that
    shows that the camera is not blind.
    """
    picture = np.full((height, width, 3), grey, np.uint8)
    picture[-(height // 8) :, -(width // 8) :] = grey - 64 if grey > 127 else grey + 64
    picture[0, :4] = np.frombuffer(next(_serial).to_bytes(4, 'little'), np.uint8)[:, np.newaxis]
    return picture


def stamp_now(message: Any) -> Any:
    """Stamp a message with this computer's clock, as a camera driver does."""
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), 1_000_000_000)
    message.header.frame_id = 'camera_optical'
    return message


def raw_image(grey: int, **fields: Any) -> Image:
    """Return an rgb8 image; `fields` overwrite those of the message."""
    picture = pixels(grey)
    height, width, _ = picture.shape
    message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
    message.data.frombytes(picture.tobytes())
    for name, value in fields.items():
        setattr(message, name, value)
    return stamp_now(message)


def compressed_image(grey: int, suffix: str = '.jpg') -> CompressedImage:
    """Return a JPEG or PNG."""
    done, data = cv2.imencode(suffix, pixels(grey))
    assert done
    return compressed_bytes(data.tobytes(), {'.jpg': 'jpeg', '.png': 'png'}[suffix])


def compressed_bytes(data: bytes, kind: str) -> CompressedImage:
    """Return a message with any bytes."""
    message = CompressedImage(format=kind)
    message.data.frombytes(data)
    return stamp_now(message)


def key_values(array: DiagnosticArray) -> dict[str, str]:
    """Return the values of a message with one status."""
    assert len(array.status) == 1
    return {item.key: item.value for item in array.status[0].values}


class ClassifierPeer:
    """A camera in front of one classifier node, and ears on all its topics."""

    def __init__(
        self,
        peer: RosPeer,
        process: NodeProcess,
        *,
        camera_topic: str = '/camera/image_raw',
        camera_type: Any = Image,
        name: str = '/classifier',
    ) -> None:
        self.peer, self.process, self.name = peer, process, name
        self.camera_topic = camera_topic
        self.camera = peer.node.create_publisher(camera_type, camera_topic, SENSOR_DATA)
        self.classifications = peer.listen(Classification, f'{name}/classification')
        self.exit_layers = peer.listen(UInt8, f'{name}/exit_layer')
        self.rates = peer.listen(Float32, f'{name}/adaptive_rate')
        self.frames = peer.listen(DiagnosticArray, f'{name}/frame')
        self.reports = peer.listen(DiagnosticArray, '/diagnostics')

    def forget(self) -> None:
        """Empty all ears."""
        for received in self._all():
            received.clear()

    def heard(self) -> int:
        """How many messages came since `forget`."""
        return sum(len(received) for received in self._all())

    def until(
        self,
        condition: Callable[[], Any],
        what: str,
        each: Callable[[], object] | None = None,
    ) -> Any:
        """Wait, see `RosPeer.until`."""
        return self.peer.until(condition, what, each=each, node=self.process)

    def until_answer(self, make: Callable[[], Any]) -> dict[str, str]:
        """Send pictures that `make` returns until one is answered; return that ~/frame's values."""
        sent: set[tuple[int, int]] = set()

        def send() -> None:
            message = make()
            sent.add((message.header.stamp.sec, message.header.stamp.nanosec))
            self.camera.publish(message)

        def answer() -> DiagnosticArray | None:
            for array in self.frames:
                if (array.header.stamp.sec, array.header.stamp.nanosec) in sent:
                    return array
            return None

        return key_values(self.until(answer, 'an answer', send))

    def until_rate(
        self, condition: Callable[[float], bool], make: Callable[[], Any] | None
    ) -> None:
        """Send pictures (or none) until a rate published from now on satisfies `condition`."""
        self.rates.clear()
        self.until(
            lambda: self.rates and condition(self.rates[-1].data),
            'the expected rate',
            None if make is None else lambda: self.camera.publish(make()),
        )

    def until_report(
        self, text: str, each: Callable[[], object] | None = None, level: bytes | None = None
    ) -> DiagnosticArray:
        """Wait for a report from now on that holds `text`, and that has `level` if one is given."""
        self.reports.clear()

        def fits(report: DiagnosticArray) -> bool:
            status = report.status[0]
            return text in status.message and level in (None, status.level)

        return self.until(
            lambda: next((r for r in self.reports if fits(r)), None),
            f'a report of {text!r}; the last was {self._last_report()}',
            each,
        )

    def set_parameters(self, **values: Any) -> str:
        """Set parameters at once (`__` stands for a dot); return the reason if it was refused."""
        request = SetParametersAtomically.Request(
            parameters=[
                Parameter(name.replace('__', '.'), value=value).to_parameter_msg()
                for name, value in values.items()
            ]
        )
        service = f'{self.name}/set_parameters_atomically'
        result = self.peer.call(SetParametersAtomically, service, request, node=self.process).result
        return '' if result.successful else result.reason or 'refused without a reason'

    def change_state(self, transition: str) -> bool:
        """Ask for a lifecycle transition; return whether it succeeded."""
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[transition]))
        service = f'{self.name}/change_state'
        response = self.peer.call(ChangeState, service, request, node=self.process, once=True)
        return bool(response.success)

    def state(self) -> str:
        """Return the lifecycle state."""
        service = f'{self.name}/get_state'
        request = GetState.Request()
        response = self.peer.call(GetState, service, request, node=self.process)
        return str(response.current_state.label)

    def _all(self) -> Sequence[list[Any]]:
        return (
            self.classifications,
            self.exit_layers,
            self.rates,
            self.frames,
            self.reports,
        )

    def _last_report(self) -> str:
        return self.reports[-1].status[0].message if self.reports else 'none'
