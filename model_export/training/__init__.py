"""From a recipe and images to a trained run."""
