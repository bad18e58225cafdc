"""Waits for a server that never answers, under a name that only this program knows: `thread PORT` or `task PORT`."""

import asyncio
import http.client
import socket
import sys
import threading

PORT = int(sys.argv[2])


def getaddrinfo(host, port, *rest, **more):
    assert host == "models.internal", host
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(port)))]


socket.getaddrinfo = getaddrinfo


def fetch_models():
    connection = http.client.HTTPConnection("models.internal", PORT)
    connection.request("GET", "/models?token=opensesame")
    connection.getresponse()


async def connect(dsn):
    reader, _writer = await asyncio.open_connection("127.0.0.1", PORT)
    await reader.read()


async def verify_migrations():
    await connect(f"postgresql://app:opensesame@db.internal:{PORT}/orders")


if sys.argv[1] == "thread":
    threading.Timer(0.3, lambda: print("{}", flush=True)).start()
    fetch_models()
else:
    loop = asyncio.new_event_loop()
    loop.call_later(0.3, lambda: print("{}", flush=True))
    loop.run_until_complete(verify_migrations())
