"""The workstation side, in torch: from a recipe and images to one ONNX file, and studies of it.

`python -m model_export COMMAND` runs `commands/`. Top to bottom: commands, studies, regression,
calibration, export, pretrained and training, weights and planner and measuring, network, data,
recipe, errors. A package imports only those after it, and `eevit_ros`, which knows nothing of it.
Face: `network.early_exit.EarlyExitViT`, `weights.stored.load_model`, `recipe.recipe.load_recipe`.
"""
