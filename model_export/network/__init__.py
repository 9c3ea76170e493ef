"""The early-exit network in torch.

`backbones/` and `heads/` are its parts, `early_exit` joins them, `fold` turns it into its deployed
form. `macs` counts its cost, `measures` are the exit policies that a graph can hold, `predict` runs
it on a data set.
May import: data, recipe, timm_models, errors.
Face: `early_exit.EarlyExitViT`, `fold.fold`, `macs.count_macs`, `predict.logits_of`.
"""
