"""An application object that gunicorn refuses (exit code 4)."""

application = None
