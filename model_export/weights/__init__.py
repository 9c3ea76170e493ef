"""Trained models on disk: the checkpoint of a run, and weights at half size to keep and to share.

`stored` loads a model from either, and finds the data that it was trained on.
May import: network, data, recipe, errors.
Face: `stored.load_model`, `stored.save_weights`, `average.load_average`,
`checkpoint.load_checkpoint`.
"""
