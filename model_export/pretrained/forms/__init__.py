"""The forms in which weights come: one module each, with a table from its names to ours."""
