"""Folds events into worker life-lines, incidents, patterns and a verdict; no I/O, no clock."""
