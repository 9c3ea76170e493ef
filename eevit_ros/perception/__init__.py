"""What a frame shows and what that means for the robot, without ROS: node and replay share it.

Also what is counted and reported: camera health, distribution shift, statistics.
May import: model, images, speed, policies, errors.
Face: `perception.Perception`, `frame_record.FrameRecord`, `statistics.Statistics`.
"""
