"""The demo of regions: several things in one picture, each boxed, each leaving at its own exit.

    run, player, records    the things through the node, and what came back
    bag, scene              the recording, made of the demo's own
    page                    the report

May import: demo, harness, eevit_ros.
Face: `run.run_regions`.
"""
