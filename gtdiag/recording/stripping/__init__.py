"""Events to the same events without the values that a company keeps to itself."""
