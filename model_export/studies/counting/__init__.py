"""Study `counting`: a model that answers with a number, and what a tolerance saves."""
