"""The offline study: hundreds of paths at once, driven on answers that were computed beforehand.

    worlds, seen                   what is seen where, and what the network says of it
    fleet, laws, plans             how fast to drive, and many paths driven at once
    measures, study                time against missed signs, and the time saved; all of it
    choose                         settings of the laws, compared on the development paths
    exact, agreement, replayed     held against `Perception`, the real nodes, and `replay`

`seen.conditions`, `worlds` and `laws` are declared: they were committed before a report path was
driven.
May import: drive.scene, drive.report, drive.simulated, drive.journey, drive.robot, drive.policy,
drive.errors; demo.scene, eevit_ros.
"""
