"""The ROS nodes: thin shells around perception, speed and recordings; the one place for rclpy.

`classifier`, `governor` and `bags` are the nodes; beside them is what they share.
May import: everything below; rclpy and message packages.
"""
