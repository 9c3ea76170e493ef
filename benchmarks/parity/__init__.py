"""Reference models of others, made small and random: what pretrained weights are read against."""
