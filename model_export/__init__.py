"""Define, train, calibrate and export early-exit Vision Transformers (the workstation side)."""
