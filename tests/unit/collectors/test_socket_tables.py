"""The kernel's tables serve all processes of a namespace for a moment, and no socket is missed for it."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from gtdiag.collectors import socket_tables
from gtdiag.collectors.socket_tables import SharedSocketTables, SocketTables
from gtdiag.collectors.sockets import read_socket_inodes, read_sockets

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


class Counted:
    """Reads the tables, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, pid: int) -> SocketTables:
        self.times += 1
        return SocketTables(pid)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is."""
    monkeypatch.setattr(socket_tables, "KEEP_S", 60.0)


@pytest.mark.usefixtures("patient")
def test_one_reading_serves_the_next_process_of_the_namespace() -> None:
    read = Counted()
    shared = SharedSocketTables(read)
    with socket.create_server(("127.0.0.1", 0)):
        inodes = read_socket_inodes(os.getpid())
        assert shared.of(os.getpid(), inodes) is shared.of(os.getpid(), inodes)
        assert shared.of(os.getppid(), ()) is shared.of(os.getpid(), inodes)
    assert read.times == 1


@pytest.mark.usefixtures("patient")
def test_a_socket_that_is_newer_than_the_tables_is_not_missed() -> None:
    read = Counted()
    shared = SharedSocketTables(read)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        read_sockets(os.getpid(), shared)
        with socket.create_connection(listener.getsockname()) as client:
            connections, _ = read_sockets(os.getpid(), shared)
            assert client.fileno() in {connection.fd for connection in connections}
    assert read.times == 2


@pytest.mark.usefixtures("patient")
def test_a_socket_that_is_in_no_table_is_looked_for_once() -> None:
    read = Counted()
    shared = SharedSocketTables(read)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4):
        for _ in range(3):
            read_sockets(os.getpid(), shared)
    assert read.times == 1


def test_tables_that_are_too_old_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_tables, "KEEP_S", -1.0)
    read = Counted()
    shared = SharedSocketTables(read)
    for _ in range(2):
        shared.of(os.getpid(), ())
    assert read.times == 2


def test_shared_tables_show_the_same_as_own_ones() -> None:
    left, right = socket.socketpair()
    with (
        left,
        right,
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        assert read_sockets(os.getpid(), SharedSocketTables())[0] == read_sockets(os.getpid())[0] != ()


def test_rows_that_make_no_sense_are_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_tables, "read_table", lambda pid, name: "heading\nx\n" + " ".join("abcdefghijkl"))
    tables = SocketTables(os.getpid())
    assert tables.lacks((1, 2)) == {1, 2}
    assert tables.text("tcp", (1,)) == "heading"
