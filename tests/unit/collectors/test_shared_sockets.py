"""A connection that a fork carried into other processes is known by its holders; each of these is read once."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from gtdiag.collectors import shared_sockets
from gtdiag.collectors.shared_sockets import SharedSocketFinder
from gtdiag.collectors.sockets import read_connections

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_the_other_holders_of_a_connection_are_found_and_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_sockets, "KEEP_S", 60.0)
    read: list[int] = []
    real = shared_sockets.read_socket_inodes

    def counted(pid: int) -> dict[int, int]:
        read.append(pid)
        return real(pid)

    monkeypatch.setattr(shared_sockets, "read_socket_inodes", counted)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        forks = [fork_that_waits() for _ in range(2)]
        try:
            connections = read_connections(os.getpid())
            finder = SharedSocketFinder()
            for _ in range(3):
                found = finder.find(forks[0], os.getpid(), connections)
        finally:
            for fork in forks:
                os.kill(fork, 9)
                os.waitpid(fork, 0)
        [mine] = [connection for connection in found if connection.fd == client.fileno()]
    assert set(mine.shared_with) == {os.getpid(), forks[1]}
    assert sorted(read) == sorted({*read}), "no process twice"


def fork_that_waits() -> int:
    pid = os.fork()
    if pid == 0:
        try:
            while True:
                os.read(os.pipe()[0], 1)
        finally:
            os._exit(0)
    return pid


def test_a_process_that_is_gone_holds_nothing() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        connections = read_connections(os.getpid())
        assert SharedSocketFinder().find(os.getpid(), 2**22 + 1, connections) == connections
