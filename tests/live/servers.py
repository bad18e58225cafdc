"""Servers on loopback that do not do what a client hopes for, each on a free port of its own.

    with mute_server() as server: ...        # accepts, reads, never answers
    with refusing_port() as server: ...      # nothing listens: connection refused
    with full_backlog() as server: ...       # drops SYNs: connects stay in SYN_SENT
    with trickling_server() as server: ...   # an HTTP answer, one byte a second, that never ends

`server.host`, `server.port`, `server.peer` ("127.0.0.1:PORT").
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """Where a server listens, or does not."""

    port: int
    host: str = HOST

    @property
    def peer(self) -> str:
        """As a report writes it."""
        return f"{self.host}:{self.port}"


@contextlib.contextmanager
def mute_server() -> Iterator[Address]:
    """A server that accepts every connection, reads what comes and never answers."""
    with _serving(trickle=None) as address:
        yield address


@contextlib.contextmanager
def trickling_server(trickle: bytes = b"x", every_s: float = 1.0) -> Iterator[Address]:
    """An HTTP server whose answer comes one byte every `every_s` seconds and does not end."""
    with _serving(trickle=trickle, every_s=every_s) as address:
        yield address


@contextlib.contextmanager
def refusing_port() -> Iterator[Address]:
    """A port that is taken, so that nobody else gets it, and on which nothing listens."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        yield Address(taken.getsockname()[1])


@contextlib.contextmanager
def full_backlog() -> Iterator[Address]:
    """A listener whose accept queue is full: the kernel drops further SYNs, so a connect stays in SYN_SENT."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(2):  # the queue holds backlog + 1 connections
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
            with selectors.DefaultSelector() as selector:
                selector.register(client, selectors.EVENT_WRITE)
                selector.select(0.2)
        yield Address(listener.getsockname()[1])


@contextlib.contextmanager
def _serving(trickle: bytes | None, every_s: float = 1.0) -> Iterator[Address]:
    listener = socket.create_server((HOST, 0), backlog=128)
    stop_reader, stop_writer = socket.socketpair()
    thread = threading.Thread(target=_serve, args=(listener, stop_reader, trickle, every_s), daemon=True)
    thread.start()
    try:
        yield Address(listener.getsockname()[1])
    finally:
        stop_writer.close()
        thread.join(10)


def _serve(listener: socket.socket, stop: socket.socket, trickle: bytes | None, every_s: float) -> None:
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        stack.enter_context(listener)
        stack.enter_context(stop)
        clients: set[socket.socket] = set()
        selector.register(listener, selectors.EVENT_READ)
        selector.register(stop, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(every_s if trickle else None):
                if key.fileobj is stop:
                    return
                if key.fileobj is listener:
                    client = stack.enter_context(listener.accept()[0])
                    client.setblocking(False)
                    selector.register(client, selectors.EVENT_READ)
                    clients.add(client)
                    if trickle:
                        _send(client, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                elif isinstance(key.fileobj, socket.socket) and not _still_open(key.fileobj):
                    selector.unregister(key.fileobj)
                    clients.discard(key.fileobj)
                    key.fileobj.close()
            if trickle:
                for client in clients:
                    _send(client, trickle)


def _send(client: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        client.send(data)


def _still_open(client: socket.socket) -> bool:
    try:
        return bool(client.recv(65536))
    except OSError:
        return False
