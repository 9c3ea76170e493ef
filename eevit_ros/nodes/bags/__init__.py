"""The nodes `bag_player` and `bag_recorder`: recordings into a running node, answers out of it.

Face: `player.main`, `recorder.main`, the executables.
"""
