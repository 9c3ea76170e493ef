"""What a frame shows and what that means for the robot. Without ROS: node and replay share it.

`perception` takes a frame to its rate and record; `shift`, `camera_health` and `process_stall` say
when not to trust it; `statistics` and `status` are what diagnostics report.
May import: model, images, speed, settings, errors.
Face: `perception.Perception`, `perception.PerceptionSettings`, `perception.FrameRecord`,
`statistics.Statistics`, `status.Status`.
"""
