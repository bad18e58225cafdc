"""A report to text, JSON and the live view; renderers compute nothing."""
