"""A module without the application that gunicorn is told to load."""

import time

time.sleep(2.5)  # so that it is watched
