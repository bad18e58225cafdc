"""What gunicorn is: finding masters and workers, effective settings, heartbeat semantics, what each version does."""
