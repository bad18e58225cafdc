"""A WSGI application that waits at import, in one of the ways that only the kernel tells apart.

WAIT: "requests" (TARGET is a URL), "psycopg2" (TARGET is a DSN), "pool" (httpx: the pool's one connection is in use,
TARGET is a URL), "child" (a child's output), "flock" (TARGET is a file).
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TARGET = os.environ.get("TARGET", "")


def ask_requests() -> None:
    import requests

    requests.get(TARGET, timeout=None)


def ask_psycopg2() -> None:
    import psycopg2

    psycopg2.connect(TARGET)


def ask_pool() -> None:
    import httpx

    with (
        httpx.Client(timeout=None, limits=httpx.Limits(max_connections=1)) as client,
        client.stream("GET", TARGET),
    ):
        client.get(TARGET)


def convert_in_child() -> None:
    subprocess.run(["sleep", "600"], capture_output=True, check=True)


def wait_for_flock() -> None:
    with Path(TARGET).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


WAYS = {
    "requests": ask_requests,
    "psycopg2": ask_psycopg2,
    "pool": ask_pool,
    "child": convert_in_child,
    "flock": wait_for_flock,
}
WAYS[os.environ["WAIT"]]()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
