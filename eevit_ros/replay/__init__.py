"""Replay: what would the robot have done? Recorded images through the core of the node.

    running    recordings -> clock -> perception -> frame table
    results    figures of a frame table, comparison, requirements
    report     pages, plots and pictures

May import: recordings, reporting, parameters and what they may import; never rclpy or ROS messages.
Needs the extra `replay` (setup.cfg).
Face: `cli.main`, `options.ReplayOptions`, `running.pipeline.replay`, `results.result.Result`.
"""
