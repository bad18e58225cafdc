"""gtdiag tells which call each gunicorn worker was blocked in, proves it, and says what to do."""

__version__ = "0.1.0"
