"""The early-exit network in torch: backbones, heads, exit measures, cost, weights.

May import: data, recipe, errors.
Face: `early_exit.EarlyExitViT`, `weights.load_model`.
"""
