"""Models that answer with a number: their data, exit policy, export and file."""
