"""What the drives show: comparison of the policies, page, plots, film, lines on the terminal.

`study` shows the offline study. May import: drive.scene, drive.journey, drive.policy, drive.robot,
drive.errors; demo.terminal, eevit_ros.reporting.
Face: `page.write_report`, `comparison.compare`, `terminal.summary_text`, `study.tables`.
"""
