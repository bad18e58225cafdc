"""A WSGI application that starts at once and, per path, does what a worker should not do while it serves a request.

/ is well. UPSTREAM_URL: what /upstream and /urllib read; DATABASE_PORT: where /database connects to. Runs on every
Python from 3.8 with the standard library only, but for /upstream (requests) and /database (PyMySQL).
"""

import ctypes
import os
import time
import urllib.request


def sleep_long():
    time.sleep(3600)


def call_upstream():
    import requests

    return requests.get(os.environ["UPSTREAM_URL"], timeout=None).content


def read_upstream():
    with urllib.request.urlopen(os.environ["UPSTREAM_URL"]) as response:
        return response.read()


def load_orders():
    import pymysql

    return pymysql.connect(host="127.0.0.1", port=int(os.environ["DATABASE_PORT"]), connect_timeout=3600)


def spin():
    number = 0
    while True:
        number += 1


def lock_in_native_code():
    """A C call that never returns to Python, as a database driver's can: no Python signal handler runs.

    The lock of pthreads goes on waiting after a signal, unlike read or sleep.
    """
    libc = ctypes.CDLL(None)
    mutex = ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


def crash():
    ctypes.string_at(1)


def exit_with_one():
    os._exit(1)


def fail():
    raise RuntimeError("the handler failed")


def answer():
    return b"ok\n"


ACTIONS = {
    "/": answer,
    "/slow": sleep_long,
    "/upstream": call_upstream,
    "/urllib": read_upstream,
    "/database": load_orders,
    "/spin": spin,
    "/native": lock_in_native_code,
    "/crash": crash,
    "/exit": exit_with_one,
    "/fail": fail,
}


def application(environ, start_response):
    action = ACTIONS.get(environ["PATH_INFO"])
    if action is None:
        start_response("404 Not Found", [("Content-Length", "0")])
        return [b""]
    body = action() or b"ok\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
