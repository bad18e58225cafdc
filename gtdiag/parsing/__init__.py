"""Text to events: gunicorn, uvicorn and kernel lines, line prefixes, time stamps, joined tracebacks."""
