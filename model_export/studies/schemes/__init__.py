"""Study `schemes`: the training systems of the literature on one backbone and budget."""
