"""Replay: what would the robot have done? Recorded images through the same core as the node's.

    bag, video, folder -> source -> clock -> perception -> frame table -> report

Works without a ROS installation; never imports rclpy. Needs the `replay` extra (setup.cfg).
"""
