"""A WSGI application that has secrets in locals, arguments and the environment while a request hangs in a connect.

UPSTREAM_URL: what /hang reads. $SECRETS: the secrets, one on a line.
"""

import os
import urllib.request

KEPT = os.environ["SECRETS"].splitlines()


def fetch(url, password, headers, *secrets, **named):
    dsn = secrets[0]  # noqa: F841
    connection = {"dsn": secrets[0], "all": secrets}  # noqa: F841
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
        return response.read()


def application(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/":
        return [b"ok"]
    named = {f"secret_{number}": text for number, text in enumerate(KEPT)}
    headers = {"X-Api-Key": KEPT[0], "Authorization": KEPT[1]}
    return [fetch(os.environ["UPSTREAM_URL"], KEPT[2], headers, *KEPT, **named)]
