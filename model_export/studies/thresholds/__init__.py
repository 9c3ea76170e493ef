"""Study `thresholds`, on the test set, and the trade-off that the command `thresholds` shows."""
