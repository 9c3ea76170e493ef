"""The classifier's parameters, checked, as settings. Without ROS."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eevit_ros.errors import EevitError
from eevit_ros.images.settings import ImageSettings
from eevit_ros.model.compute import Compute, Log
from eevit_ros.model.engine import Engine
from eevit_ros.model.host_policy import EXIT_POLICIES, OWN
from eevit_ros.parameters.shipped import shipped
from eevit_ros.parameters.topics import CLASSIFIER
from eevit_ros.perception.perception import PerceptionSettings
from eevit_ros.regions.settings import RegionSettings
from eevit_ros.settings import group, parameter, specs

DEMO_MODEL = Path('models', 'eevit_s14_cifar100.onnx')
TRANSPORTS = ('raw', 'compressed', 'ffmpeg', 'foxglove')
CLASS_IDS = ('name', 'index')
LONGEST_CAMERA = 64  # with namespace and node in front of it, ROS allows 247 in all


def demo_model() -> Path:
    """Where the demo model lies: in the installed package's share folder, or in the source tree."""
    return shipped(DEMO_MODEL)


def _model(path: str) -> Path:
    return Path(path).expanduser() if path else demo_model()


def _sha256(text: str) -> str:
    if not re.fullmatch('[0-9a-fA-F]{64}|', text):
        raise EevitError(
            "parameter 'model_sha256' must be 64 hexadecimal digits, as sha256sum prints them, or "
            f'empty. Got {text!r:.100}'
        )
    return text


def _thresholds(value: object) -> tuple[float, ...]:
    if value is None:  # an empty list in YAML: it has no element to tell the type by
        return ()
    values: list[Any] = list(value) if isinstance(value, (list, tuple, array)) else [value]
    if not all(_is_share(v) for v in values):
        raise EevitError(
            "parameter 'thresholds' must be one number in [0, 1], or a list with one for each "
            f'exit. Got {value!r}'
        )
    return tuple(float(v) for v in values)


def _is_share(value: object) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and 0 <= value <= 1
    )


def _cameras(value: object) -> tuple[str, ...]:
    names: list[Any] = list(value) if isinstance(value, (list, tuple, array)) else [value]
    names = [] if value is None else names
    if isinstance(value, str) or not all(map(_is_camera, names)):
        raise EevitError(
            "parameter 'cameras' must be a list of names such as [front, rear_left]: letters, "
            f'digits and single underscores, first a letter, at most {LONGEST_CAMERA} characters. '
            f'Got {value!r:.200}'
        )
    taken = {topic.name.strip('~/').partition('/')[0] for topic in CLASSIFIER}
    taken |= {name.partition('.')[0] for name in SPECS} | {'qos_overrides', 'use_sim_time'}
    for name in names:
        if name in taken:
            raise EevitError(
                f"parameter 'cameras' must not hold {name!r}, which is a topic or a parameter of "
                'the classifier: give that camera another name'
            )
        if names.count(name) > 1:
            raise EevitError(f"parameter 'cameras' must not hold {name!r} twice")
    return tuple(names)


def _is_camera(name: object) -> bool:
    fits = isinstance(name, str) and re.fullmatch('[A-Za-z](_?[A-Za-z0-9])*_?', name)
    return bool(fits) and len(str(name)) <= LONGEST_CAMERA


@dataclass(frozen=True)
class Settings:
    """The parameters of the classifier.

    Attributes:
        images: How images are read.
        thresholds: Thresholds of the exits; empty for the model's own.
        compute: How the model is computed.
        region: Whether and how the boxes of a detector are classified.
        perception: How answers become a rate.
    """

    model: Path = parameter(
        '',
        "Path of the .onnx model file (~ is the home folder). Empty: the package's demo model.",
        convert=_model,
    )
    model_sha256: str = parameter(
        '',
        'SHA-256 of the model file, 64 hexadecimal digits as sha256sum prints them; any other file '
        'is refused. Empty: no check.',
        convert=_sha256,
    )
    cameras: tuple[str, ...] = parameter(
        [],
        'Names of several cameras that share the model, such as [front, rear]. Each has topics '
        '(front/image) and, where it differs, parameters (front.image_rotation) of its own. Empty: '
        'one camera. Read at start. See docs/robot.md.',
        any_type=True,
        convert=_cameras,
    )
    image_transport: str = parameter(
        'raw',
        'raw: sensor_msgs/Image on `image`. compressed: CompressedImage on `image`/compressed. '
        'ffmpeg, foxglove: H.264 or H.265 as FFMPEGPacket on `image`/ffmpeg, as CompressedVideo on '
        '`image`/foxglove. Where nobody publishes on that, on `image` itself; remap `image` alone.',
        choices=TRANSPORTS,
    )
    images: ImageSettings = group(ImageSettings)
    thresholds: tuple[float, ...] = parameter(
        [],
        'Confidence above which an exit answers, within [0, 1]: one value for all exits (0.8) or '
        "one per exit ([0.8, 0.7, ...]). Higher is more accurate and slower. Empty: the model's "
        'own.',
        live=True,
        any_type=True,
        convert=_thresholds,
    )
    top_k: int = parameter(5, 'Classes in ~/classification, best first.', 1, 1000)
    compute: Compute = group(Compute)
    exit_policy: str = parameter(
        OWN,
        "What decides where a frame exits. own: the model's own measure. anytime: budget_ms. The "
        'others need `thresholds` chosen for them. See docs/thresholds.md.',
        choices=EXIT_POLICIES,
    )
    budget_ms: float = parameter(
        0.0, 'exit_policy anytime: time per frame, milliseconds.', 0.0, 10_000.0
    )
    class_ids: str = parameter(
        'name',
        'What class_id in ~/classification holds; ~/label_info maps index to name.',
        choices=CLASS_IDS,
    )
    autostart: bool = parameter(
        True,
        'Configure and activate at start; read once. A wrong model or parameter then ends the '
        'process with exit code 2.',
    )
    frozen_after_frames: int = parameter(
        10,
        'Frames in a row with the same picture, byte for byte, after which the camera counts as '
        'frozen and the rate drops to the floor. Raise it for a simulated camera without noise.',
        1,
        1_000_000,
    )
    region: RegionSettings = group(RegionSettings)
    perception: PerceptionSettings = group(PerceptionSettings)

    def ids_of(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """Return what `class_id` holds by class index: the names, or the indices as text."""
        if self.class_ids == 'name':
            return tuple(class_names)
        return tuple(str(index) for index in range(len(class_names)))


SPECS = specs(Settings)


def open_engine(settings: Settings, log: Log = lambda text: None) -> Engine:
    """Return the engine that the settings ask for; `log` as in `Engine`.

    Raises:
        EevitError: The model or a setting is wrong.
    """
    return Engine(
        settings.model,
        compute=settings.compute,
        sha256=settings.model_sha256,
        thresholds=settings.thresholds or None,
        exit_policy=settings.exit_policy,
        budget_ms=settings.budget_ms,
        log=log,
    )
