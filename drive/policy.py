"""The four policies that are compared, and how ours is set.

Rate parameters and world were chosen on the development seeds (100 and up), whose signs are other
pictures than those of the reported seeds, and then left alone.
"""

from __future__ import annotations

from drive.robot import FLOOR

FULL, AT_FLOOR, OURS, CONSTANT = 'full speed', 'floor', 'ours', 'same time'
POLICIES = (FULL, AT_FLOOR, OURS, CONSTANT)

# What differs from the classifier's defaults. One frame in three or four looks hard even in full
# light, as CIFAR-100's images do: over a second they make a mean depth that follows the light.
RATE: dict[str, float | int] = {'attack_s': 1.0, 'easy_frames': 1}


def rate_arguments() -> list[str]:
    """Return the classifier's ROS arguments."""
    values = {'floor': FLOOR, **RATE}
    return [word for name, value in values.items() for word in ('-p', f'rate.{name}:={value}')]


def governor_arguments() -> list[str]:
    """Return the governor's ROS arguments; there are no other sources of limits here."""
    return ['-p', f'floor:={FLOOR}']
