"""What the files in launch/ share, and how a launched replay runs.

Needs `launch`, so no node imports it. May import: nodes, replay, errors.
Face: `shared.existing_file`, `shared.respawn_only_crashes`, `dds_profile.dds_environment`,
`replay.LaunchedReplay`, `rosbag2_cli`.
"""
