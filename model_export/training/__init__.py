"""From a recipe and images to a trained run: schemes, batches, steps.

May import: weights, network, data, recipe, errors. Only `fabric` loads Lightning Fabric.
Face: `trainer.Trainer`; `schemes.Scheme` and `schemes.register_scheme` for a scheme of your own.
"""
