"""Names for what a cell's application talks to: servers on loopback that misbehave, a real PostgreSQL, a real Redis.

    with server_of("postgres_locked") as server: ...   # server.host, server.port, server.peer

A server that misbehaves is made for one cell; PostgreSQL and Redis run once for all cells (`stop_shared_servers`).
A new one: a context manager that yields an Address, and a line in SERVERS.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.live.servers import HOST, Address, full_backlog, mute_server, refusing_port, trickling_server

_SHARED = contextlib.ExitStack()
_SHARED_LOCK = threading.RLock()
_STARTED: dict[str, Address] = {}

DATABASE, USER = "orders", "app"


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
    if name is not None and name.startswith("postgres") and _postgres_folder() is None:
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


@functools.cache
def _postgres_folder() -> Path | None:
    """Where Debian has the server programs: of the newest version installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@contextlib.contextmanager
def postgres() -> Iterator[Address]:
    """A PostgreSQL of our own, with the tables of Alembic and Django, run by an ordinary user."""
    programs = _postgres_folder()
    if programs is None:
        raise ServerMissingError("no PostgreSQL server here: apt-get install postgresql")
    # Not under pytest's folders: a socket's path is short, and the server's user must be able to enter it.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        user = _ordinary_user()
        if user is not None:
            shutil.chown(folder, user)
        data = Path(folder) / "data"
        initdb = [programs / "initdb", "-D", data, "-U", USER, "--auth=trust", "--no-sync", "--encoding=UTF8"]
        _run(initdb, folder, user)
        port = _free_port()
        settings = {
            "port": port,
            "listen_addresses": HOST,
            "unix_socket_directories": folder,
            "max_connections": 300,
            "fsync": "off",
            # Or the backend of a killed worker would wait for its lock for ever.
            "client_connection_check_interval": "1s",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = (Path(folder) / "log").open("wb")
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=user,
            cwd=folder,
            start_new_session=True,
        )
        try:
            psql = [programs / "psql", "-h", HOST, "-p", str(port), "-U", USER, "-v", "ON_ERROR_STOP=1", "-q"]
            _wait_for(lambda: _runs([*psql, "-c", "SELECT 1", "postgres"]), "PostgreSQL answers")
            _run([*psql, "-c", f"CREATE DATABASE {DATABASE}", "postgres"], folder, None)
            tables = (
                "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY); "
                "CREATE TABLE django_migrations (id bigint PRIMARY KEY, app text, name text, applied timestamptz); "
                "CREATE TABLE orders (id bigint PRIMARY KEY);"
            )
            _run([*psql, "-c", tables, DATABASE], folder, None)
            lock = "BEGIN; LOCK TABLE alembic_version, django_migrations, orders; SELECT 'locked'; SELECT pg_sleep(1e6)"
            # One statement each, or psql sends all of it as one and shows nothing before its end.
            holder = subprocess.Popen(
                [*psql, "-At", DATABASE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert holder.stdin is not None
            assert holder.stdout is not None
            holder.stdin.write("".join(f"{statement};\n" for statement in lock.split("; ")))
            holder.stdin.flush()
            told = holder.stdout.readline()
            if told.strip() != "locked":
                raise AssertionError(f"the tables could not be locked: {told}")
            try:
                yield Address(port)
            finally:
                holder.kill()
                holder.communicate()
        finally:
            server.send_signal(3)  # SIGQUIT: immediate shutdown
            server.wait(20)
            log.close()


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


def _ordinary_user() -> str | None:
    """PostgreSQL refuses to run as root: whom to run it as; None: as we are."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])


def _run(command: list[object], folder: str, user: str | None) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=folder,
        user=user,
    )
    if done.returncode:
        raise AssertionError(f"{command}: {done.stdout[-2000:]}")


def _runs(command: list[object]) -> bool:
    words = [str(part) for part in command]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


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
}
