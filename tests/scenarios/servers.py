"""Names for what a cell's application talks to: servers on loopback that misbehave, a real PostgreSQL, a real Redis.

    with server_of("postgres_locked") as server: ...   # server.host, server.port, server.peer

A server that misbehaves is made for one cell; PostgreSQL and Redis run once for all cells (`stop_shared_servers`).
A new one: a context manager that yields an Address, and a line in SERVERS.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from tests.live.real_postgres import find_program, real_postgres
from tests.live.servers import HOST, Address, full_backlog, mute_server, refusing_port, trickling_server
from tests.scenarios import places

_SHARED = contextlib.ExitStack()
_SHARED_LOCK = threading.RLock()
_STARTED: dict[str, Address] = {}


class ServerMissingError(Exception):
    """A server program is not installed; the message names the package."""


def server_of(name: str | None) -> AbstractContextManager[Address | None]:
    """The server of this name, for one cell; no server at all for None."""
    return contextlib.nullcontext(None) if name is None else SERVERS[name]()


def stop_shared_servers() -> None:
    """End PostgreSQL and Redis."""
    with _SHARED_LOCK:
        _SHARED.close()
        _STARTED.clear()


def missing_server_package(name: str | None) -> str | None:
    """The Debian package that this server wants and this machine has not; None when it can be started."""
    if name is not None and name.startswith("postgres") and find_program("postgres") is None:
        return "postgresql"
    if name is not None and name.startswith("redis") and shutil.which("redis-server") is None:
        return "redis-server"
    return None


def shared(start: Callable[[], AbstractContextManager[Address]]) -> Callable[[], AbstractContextManager[Address]]:
    """A server that is started once and kept until `stop_shared_servers`."""

    @contextlib.contextmanager
    def use() -> Iterator[Address]:
        with _SHARED_LOCK:
            if start.__name__ not in _STARTED:
                _STARTED[start.__name__] = _SHARED.enter_context(start())
        yield _STARTED[start.__name__]

    return use


@contextlib.contextmanager
def postgres() -> Iterator[Address]:
    """A PostgreSQL whose tables for Alembic, Django and orders are locked by a session that never ends."""
    if find_program("postgres") is None:
        raise ServerMissingError("no PostgreSQL server here: apt-get install postgresql")
    # Without the check, the backend of a killed worker would wait for its lock for ever.
    with real_postgres(max_connections="300", client_connection_check_interval="1s") as database:
        database.execute(
            "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY); "
            "CREATE TABLE django_migrations (id bigint PRIMARY KEY, app text, name text, applied timestamptz); "
            "CREATE TABLE orders (id bigint PRIMARY KEY);"
        )
        holder = subprocess.Popen(
            [find_program("psql") or "psql", "-X", "-q", "-A", "-t", database.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            holder.stdin.write("BEGIN;\nLOCK TABLE alembic_version, django_migrations, orders;\nSELECT 'locked';\n")
            holder.stdin.flush()
            told = holder.stdout.readline()
            assert told.strip() == "locked", told
            yield Address(database.port)
        finally:
            holder.kill()
            holder.communicate()


@contextlib.contextmanager
def redis_paused() -> Iterator[Address]:
    """A Redis that accepts connections and, paused, answers no command."""
    program = shutil.which("redis-server")
    if program is None:
        raise ServerMissingError("no Redis server here: apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        port = _free_port()
        server = subprocess.Popen(
            [program, "--port", str(port), "--bind", HOST, "--save", "", "--dir", folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(lambda: _redis_says(port, b"PING") == b"+PONG\r\n", "Redis answers")
            assert _redis_says(port, b"CLIENT PAUSE 100000000 ALL") == b"+OK\r\n"
            yield Address(port)
        finally:
            server.kill()
            server.wait(20)


def _redis_says(port: int, command: bytes) -> bytes:
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(command + b"\r\n")
            return connection.recv(100)
    except OSError:
        return b""


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])


def _wait_for(is_so: Callable[[], bool], what: str, deadline_s: float = 30) -> None:
    end = time.monotonic() + deadline_s
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {deadline_s} s")
        time.sleep(0.1)


SERVERS: dict[str, Callable[[], AbstractContextManager[Address]]] = {
    "mute": mute_server,
    "refusing": refusing_port,
    "full_backlog": full_backlog,
    "trickling": trickling_server,
    "postgres": shared(postgres),
    "redis_paused": shared(redis_paused),
    **places.PLACES,
}
