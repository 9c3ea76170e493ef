"""Study `classes`: which classes leave early, and which are answered correctly."""
