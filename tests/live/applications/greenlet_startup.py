"""An application that waits for a server while it is imported (START_UP: http, database, sleep, patched) or, with
START_UP=none, while it serves /flags. A greenlet of its own refreshes something for ever, which is no one's fault.
"""

import os
import time

import requests


def fetch_feature_flags():
    return requests.get(os.environ["UPSTREAM_URL"] + "/flags")


def check_migrations():
    import psycopg2

    return psycopg2.connect(os.environ["DATABASE_URL"])


def wait_for_warm_up():
    time.sleep(600)


def refresh_for_ever():
    while True:
        time.sleep(300)


def load_configuration():
    how = os.environ["START_UP"]
    if how == "patched":
        from psycogreen.gevent import patch_psycopg

        patch_psycopg()
    actions = {"http": fetch_feature_flags, "sleep": wait_for_warm_up, "none": lambda: None}
    actions.get(how, check_migrations)()


try:
    import gevent

    gevent.spawn(refresh_for_ever)
except ImportError:
    import eventlet

    eventlet.spawn(refresh_for_ever)

load_configuration()


def application(environ, start_response):
    if environ["PATH_INFO"] == "/flags":
        fetch_feature_flags()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
