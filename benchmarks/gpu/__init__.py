"""What to try on a GPU: `train_demo.sh` and `check.sh` each take a call of 8 minutes."""
