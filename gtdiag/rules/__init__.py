"""Data: which library is which category, thresholds with their reasons, remedies."""
