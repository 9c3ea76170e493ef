"""Studies of a model: each a folder whose `study.py` returns tables, pictures and a text.

May import: everything below, and what the robot runs (`eevit_ros`); no command.
Face: `registry.run_study`, `report.write_study`, `report.collect`.
"""
