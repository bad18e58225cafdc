"""A real PostgreSQL on a free port of loopback, gone with its data when the block ends.

with real_postgres() as database:
    database.execute("CREATE TABLE ...")
    ... database.url ...
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

USER = "postgres"
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB", "max_connections": "30"}


def find_program(name: str) -> str | None:
    """One of PostgreSQL's programs, also where the distribution keeps it out of the PATH."""
    folders = [os.environ.get("PATH", os.defpath), *map(os.fspath, Path("/usr/lib/postgresql").glob("*/bin"))]
    return shutil.which(name, path=os.pathsep.join(folders))


@dataclass(frozen=True)
class Database:
    """A running server; everybody on loopback may connect."""

    port: int

    @property
    def url(self) -> str:
        """As clients want it."""
        return f"postgresql://{USER}:secret@127.0.0.1:{self.port}/postgres"

    def execute(self, statement: str) -> str:
        """Run SQL with psql; what it prints, without decoration."""
        command = [find_program("psql") or "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url]
        done = subprocess.run([*command, "-c", statement], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextlib.contextmanager
def real_postgres(**settings: str) -> Iterator[Database]:
    """Start a server of its own, with these settings. `find_program("postgres")` tells beforehand if there is one."""
    # Not a folder of pytest's: PostgreSQL refuses to run as root, and nobody else gets into those.
    with tempfile.TemporaryDirectory(prefix="gtdiag-postgres-") as folder:
        as_user: dict[str, str] = {"user": USER} if os.geteuid() == 0 else {}
        if as_user:
            shutil.chown(folder, USER)
        with _running(Path(folder), as_user, settings) as port:
            yield Database(port)


@contextlib.contextmanager
def _running(folder: Path, as_user: dict[str, str], more_settings: dict[str, str]) -> Iterator[int]:
    data = folder / "data"
    initdb, postgres = find_program("initdb"), find_program("postgres")
    assert initdb and postgres
    subprocess.run(
        [initdb, "-D", os.fspath(data), "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"],
        check=True,
        capture_output=True,
        cwd=folder,
        **as_user,  # type: ignore[call-overload,arg-type]
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings = {**_SETTINGS, "port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
    settings |= more_settings
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "postgres.log").open("wb") as output:
        server = subprocess.Popen(
            [postgres, "-D", os.fspath(data), *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            start_new_session=True,
            **as_user,  # type: ignore[call-overload,arg-type]
        )
    try:
        _wait_until_ready(server, port, folder / "postgres.log")
        yield port
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown: ends the sessions
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ready = [find_program("pg_isready") or "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    end = time.monotonic() + 30
    while subprocess.run(ready, check=False).returncode != 0:
        assert server.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.1)
