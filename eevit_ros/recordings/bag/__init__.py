"""Bags: rosbag2 of any storage and compression, ROS 1, and what a power cut left of them.

May import: recordings.source, recordings.errors, images, errors; rosbags, mcap.
Face: `source.BagSource`, `files.open_bag`, `writer.RawBag`.
"""
