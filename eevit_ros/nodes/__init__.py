"""The ROS nodes: thin shells around perception, speed and recordings; the one place for rclpy.

`classifier`, `governor` and `bags` are the nodes. What they share: `process` (signals, exit codes),
`declare` (parameters), `dds_profile`, `ros_topics` (types and QoS), `topic_watch` (who publishes),
`status_log` (diagnostics and console).
May import: everything but replay and launching; rclpy and message packages.
Face: the `main` of each node, as an executable.
"""
