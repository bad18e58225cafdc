"""Collectors look at the world and yield events."""
