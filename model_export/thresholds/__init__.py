"""Which thresholds to choose, on held-out images, and what can be promised of them."""
