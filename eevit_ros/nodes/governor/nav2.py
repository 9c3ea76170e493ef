"""Nav2's message for a speed limit, None on a robot without Nav2."""

from __future__ import annotations

try:
    from nav2_msgs.msg import SpeedLimit as SpeedLimitMessage
except ImportError:
    SpeedLimitMessage = None

__all__ = ['NO_NAV2', 'SpeedLimitMessage']

NO_NAV2 = (
    'nav2_msgs is not installed: speed_limit is not published and limit_sources are not heard '
    '(sudo apt install ros-$ROS_DISTRO-nav2-msgs); the other outputs work'
)
