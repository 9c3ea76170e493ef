"""The demo: a recorded camera, the real node, and a report of what it saw.

Run it with `make demo`, or `python -m demo` where the package's requirements are installed.

    run, playback, player, recorder, records    the bag through the node, and what came back
    bag, make_bag, scene                        the recording, and how it was made
    report                                      figures, page, plots
    regions                                     several things in each picture, boxed by a detector

May import: harness, eevit_ros.
"""
