"""What the launch files share.

May import: nodes, replay, errors; `launch`. No node imports it.
"""
