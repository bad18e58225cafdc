"""What gunicorn is: masters and workers, settings, heartbeat semantics, what each version does."""
