"""Hands figures and incidents on to other programs while a watch runs; computes nothing."""
