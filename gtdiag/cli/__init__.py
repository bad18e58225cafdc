"""The command line: one module per command; click stays in here."""
