"""What gtdiag does to the watched server when something happens to gtdiag itself; `make faults` runs it at length."""
