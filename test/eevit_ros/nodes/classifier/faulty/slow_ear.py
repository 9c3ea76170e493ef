"""A process that listens to all that the classifier says, reliably, until somebody freezes it."""

from __future__ import annotations

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import HistoryPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Float32, UInt8

KEEP_ALL = QoSProfile(history=HistoryPolicy.KEEP_ALL, depth=0)

rclpy.init()
node = rclpy.create_node('slow_ear')
for kind, name in (
    (Float32, 'adaptive_rate'),
    (UInt8, 'exit_layer'),
    (DiagnosticArray, 'frame'),
    (CompressedImage, 'annotated/compressed'),
):
    node.create_subscription(
        kind, f'/classifier/{name}', lambda _: print('heard', flush=True), KEEP_ALL
    )
rclpy.spin(node)
