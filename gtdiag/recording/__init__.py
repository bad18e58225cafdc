"""Events to one JSON line each and back, lossless."""
