"""A WSGI application that does its slow work at import.

DATABASE_URL: psycopg2 connects to it. FEATURE_FLAGS_URL: requests reads it. Unset: not done.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any


def open_database(url: str) -> Any:
    import psycopg2

    return psycopg2.connect(url)


def load_feature_flags(url: str) -> Any:
    import requests

    return requests.get(url, timeout=None).json()


if "DATABASE_URL" in os.environ:
    database = open_database(os.environ["DATABASE_URL"])
if "FEATURE_FLAGS_URL" in os.environ:
    flags = load_feature_flags(os.environ["FEATURE_FLAGS_URL"])


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
