"""The YAML recipe: what a model is and how it is trained, checked as it is read.

`checked` turns YAML into dataclasses, `lookup` finds the classes that a recipe names.
May import: timm_models, errors.
Face: `recipe.load_recipe`, `recipe.Recipe`.
"""
