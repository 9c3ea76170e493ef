"""Trained models on disk: a run's checkpoint, and the weights that are kept and shared.

May import: network, data, recipe, errors.
Face: `stored.load_model`, `stored.save_weights`, `checkpoint.load_checkpoint`.
"""
