"""Study `looking`: what each exit looks at."""
