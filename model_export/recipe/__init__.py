"""The YAML recipe: what a model is and how it is trained, checked as it is read.

May import: errors.
Face: `recipe.load_recipe`, `recipe.Recipe`.
"""
