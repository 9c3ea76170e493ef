"""What a run of the demo shows: its figures, the page and the plots.

May import: demo.bag, demo.records; eevit_ros.reporting.
Face: `summary.summarise`, `page.write_html`, `page.write_json`.
"""
