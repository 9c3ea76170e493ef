"""What every report and figure shares: colours, page, tables, the computer's description.

May import: errors; matplotlib.
Face: `style`, `markup`, `host_info.describe_machine`.
"""
