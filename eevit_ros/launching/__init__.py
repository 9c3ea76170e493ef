"""What the files in launch/ share, and how a launched replay runs.

Needs `launch`, so no node imports it. May import: nodes, replay, parameters, recordings, settings,
errors.
Face: `shared.existing_file`, `shared.respawn_only_crashes`, `dds_profile.dds_environment`,
`replay.LaunchedReplay`, `replay_arguments.prepare`, `rosbag2_cli`.
"""
