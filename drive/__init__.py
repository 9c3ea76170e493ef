"""The drive: a simulated robot whose speed follows the real classifier and the real governor.

Run it with `make drive`, or `python -m drive` where the package's requirements are installed.

    run, lanes, lane, client, real_nodes    all seeds and policies, with the nodes of a lane
    journey, robot, policy                  one path, driven
    simulated                               the same in no time, without the nodes
    study                                   hundreds of paths in worlds of their own, offline
    scene                                   path, light, signs, pictures, camera
    report                                  comparison, page, plots, film

May import: demo, harness, eevit_ros.
"""
