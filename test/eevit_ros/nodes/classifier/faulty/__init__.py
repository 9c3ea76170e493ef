"""Classifiers with something wrong, each a script that a test starts as a process."""
