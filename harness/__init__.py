"""What tests, demo, drive and benchmarks share: real processes, peers on ROS topics, made input.

May import `eevit_ros`. Nothing that is installed imports it.
"""
