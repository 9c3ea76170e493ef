"""Times and tables, by hand: `python -m benchmarks.NAME`; each prints a table and writes JSON."""
