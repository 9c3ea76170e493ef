"""What every report and figure shares: colours, page, tables, the computer's description.

May import: errors; matplotlib in `style` alone.
Face: `style`, `markup`, `interval.median_interval`, `interval.bootstrap`, `table.markdown_table`,
`host_info.describe_machine`.
"""
