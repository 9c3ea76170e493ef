"""Study `latency`: where the milliseconds go."""
