"""Studies of a model: each one command that writes a table, plots and their figures as JSON."""
