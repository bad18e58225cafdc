"""A WSGI application with one path (or one CAUSE at import) for each thing that several workers can show together."""

import os
import socket
import threading
import time
from pathlib import Path

CAUSE = os.environ.get("CAUSE", "")
LOCK = threading.Lock()
LOADED_IN = os.getpid()
HELD = []


def hold_lock():
    with LOCK:
        time.sleep(600)


def open_connection():
    host, _, port = os.environ["PEER"].rpartition(":")
    HELD.append(socket.create_connection((host, int(port))))


if CAUSE == "lock":
    threading.Thread(target=hold_lock, daemon=True).start()
elif CAUSE == "connection":
    open_connection()


def compute():
    """A second of computing, on a core of its own."""
    end = time.thread_time() + 1.0
    while time.thread_time() < end:
        sum(range(1000))


def use_pool():
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=1, pool_block=True))
    HELD.append(session.get(os.environ["UPSTREAM_URL"], stream=True))
    session.get(os.environ["UPSTREAM_URL"])


def grow():
    for _ in range(40):
        HELD.append(bytearray(os.urandom(1)) * (5 << 20))
        time.sleep(0.1)


def keep():
    """As many MiB as the test says."""
    with Path(os.environ["KEEP_FILE"]).open() as file:
        HELD.append(bytearray(b"x") * (int(file.read()) << 20))


def wait_for_lock():
    with LOCK:
        return


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sleep":
        time.sleep(60)
    elif path == "/compute":
        compute()
    elif path == "/lock":
        wait_for_lock()
    elif path == "/pool":
        use_pool()
    elif path == "/grow":
        grow()
    elif path == "/keep":
        keep()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
