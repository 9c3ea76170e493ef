"""Several cameras of one classifier, each with parameters of its own. Without ROS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eevit_ros.errors import EevitError
from eevit_ros.images.settings import ImageSettings
from eevit_ros.parameters.classifier import SPECS, Settings
from eevit_ros.perception.perception import PerceptionSettings
from eevit_ros.regions.settings import RegionSettings
from eevit_ros.settings import Spec, from_values, parameter, specs


@dataclass(frozen=True)
class CameraSettings(Settings):
    """The classifier's parameters as they hold for one camera."""

    weight: float = parameter(
        1.0,
        'How many frames of this camera are answered for each of a camera of weight 1, while the '
        'network is too slow for all.',
        0.01,
        100.0,
        live=True,
    )


CAMERA_SPECS: dict[str, Spec] = {
    name: spec
    for name, spec in specs(CameraSettings).items()
    if name in ('weight', 'image_transport', 'frozen_after_frames')
    or name in specs(ImageSettings) | specs(RegionSettings) | specs(PerceptionSettings)
}
"""Parameters that a camera may have of its own, as `<camera>.<name>`."""


def camera_specs(cameras: Sequence[str]) -> dict[str, Spec]:
    """Return the parameters of all cameras by full name: 'front.rate.floor'."""
    return {f'{camera}.{name}': spec for camera in cameras for name, spec in CAMERA_SPECS.items()}


def camera_settings(values: Mapping[str, Any]) -> dict[str, CameraSettings]:
    """Return the settings of each camera by name; of the only one, without `cameras`, by ''.

    Args:
        values: Parameters by name. What a camera has not (or as None) it takes from the common one.

    Raises:
        EevitError: A value is wrong; names the parameter.
    """
    cameras = SPECS['cameras'].setting('cameras', values.get('cameras', ()))
    return {camera: _of(camera, values) for camera in cameras or ('',)}


def why_unknown(name: str, cameras: Sequence[str]) -> str:
    """Return why a name that looks like a camera's parameter is unknown; '' if it does not."""
    camera, _, own = name.partition('.')
    if camera in cameras and own in SPECS:
        return f"all cameras share '{own}'"
    if camera not in cameras and own in CAMERA_SPECS:
        return f"'cameras' does not name {camera!r}, it is {list(cameras)}"
    return ''


def _of(camera: str, values: Mapping[str, Any]) -> CameraSettings:
    if not camera:
        return from_values(CameraSettings, values)
    own = {name: values.get(f'{camera}.{name}') for name in CAMERA_SPECS}
    given = {name: value for name, value in own.items() if value is not None}
    try:
        for name, value in given.items():
            CAMERA_SPECS[name].setting(f'{camera}.{name}', value)
        return from_values(CameraSettings, {**values, **given})
    except EevitError as err:
        raise EevitError(f'camera {camera}: {err}') from err
