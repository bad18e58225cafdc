"""Kernel tables to connections; a process with real sockets."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from gtdiag.collectors.socket_diagnostics import parse_messages
from gtdiag.collectors.sockets import (
    join_connections,
    parse_tcp,
    parse_tcp6,
    parse_unix,
    read_connections,
)
from gtdiag.collectors.unix_peers import parse_peer

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="table captured on a little-endian machine")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = HEAD + (
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0\n"
    "   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 101 1 0\n"
    "   2: 0A00000A:C351 0500000A:1538 02 00000000:00000000 00:00000000 00000000     0        0 102 1 0\n"
    "   3: not a line\n"
)
TCP6 = HEAD + (
    "   0: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:C350 08 00000000:00000000 "
    "00:00000000 00000000     0        0 200 1 0\n"
    "   1: 0000000000000000FFFF00000A00000A:C352 0000000000000000FFFF00000500000A:1538 01 00000000:00000000 "
    "00:00000000 00000000     0        0 201 1 0\n"
)
UNIX = (
    "Num       RefCount Protocol Flags    Type St Inode Path\n"
    "ffff0: 00000002 00000000 00010000 0001 01 300 /run/app.sock\n"
    "ffff1: 00000003 00000000 00000000 0001 03 301 /run/app.sock\n"
    "ffff2: 00000003 00000000 00000000 0001 03 302\n"
)


@little_endian
def test_tcp_table() -> None:
    rows = list(parse_tcp(TCP))
    assert [(row.local, row.peer, row.state) for row in rows] == [
        ("127.0.0.1:8080", None, "LISTEN"),
        ("127.0.0.1:8080", "127.0.0.1:50000", "ESTABLISHED"),
        ("10.0.0.10:50001", "10.0.0.5:5432", "SYN_SENT"),
    ]


@little_endian
def test_tcp6_table_and_mapped_addresses() -> None:
    assert [(row.local, row.peer, row.state) for row in parse_tcp6(TCP6)] == [
        ("[::1]:8080", "[::1]:50000", "CLOSE_WAIT"),
        ("10.0.0.10:50002", "10.0.0.5:5432", "ESTABLISHED"),
    ]


@little_endian
def test_accepted_connections_are_not_outgoing_and_listeners_are_left_out() -> None:
    rows = {row.inode: row for table in (parse_tcp(TCP), parse_unix(UNIX)) for row in table}
    inodes = {inode: fd for fd, inode in enumerate([100, 101, 102, 300, 301, 302], start=3)}
    assert [(c.fd, c.peer, c.outgoing) for c in join_connections(inodes, rows)] == [
        (4, "127.0.0.1:50000", False),
        (5, "10.0.0.5:5432", True),
        (7, None, False),
    ]


@linux
def test_a_pair_to_wake_the_own_poll_is_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        waker = socket.create_connection(listener.getsockname())
        woken, _ = listener.accept()
        address = "{}:{}".format(*listener.getsockname())
        to_itself = [c for c in read_connections(os.getpid()) if address in (c.local, c.peer)]
        assert sorted(c.outgoing for c in to_itself) == [False, True], "a call of the process's own server counts"
    with waker, woken:
        assert not [c for c in read_connections(os.getpid()) if address in (c.local, c.peer)]


@linux
def test_real_sockets() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as browser,
    ):
        accepted, _ = listener.accept()
        with accepted:
            numbers = listener.fileno(), accepted.fileno(), browser.fileno()
            port, browser_port = listener.getsockname()[1], browser.getsockname()[1]
            connections = {connection.fd: connection for connection in read_connections(os.getpid())}
    listening, served, calling = numbers
    assert listening not in connections
    assert connections[served].outgoing is False
    assert connections[served].peer == f"127.0.0.1:{browser_port}"
    assert connections[calling].outgoing is True
    assert connections[calling].peer == f"127.0.0.1:{port}"
    assert connections[calling].state == "ESTABLISHED"


@linux
def test_a_process_that_is_gone() -> None:
    with pytest.raises(ProcessLookupError):
        read_connections(2**22 + 1)


@linux
def test_a_unix_client_is_told_by_its_peer(tmp_path: Path) -> None:
    path = os.fspath(tmp_path / ".s.PGSQL.5432")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
        accepted, _ = server.accept()
        left, right = socket.socketpair()
        with accepted, left, right:
            connections = {connection.fd: connection for connection in read_connections(os.getpid())}
            numbers = client.fileno(), accepted.fileno(), server.fileno(), left.fileno(), right.fileno()
    calling, served, *others = numbers
    assert (connections[calling].peer, connections[calling].outgoing) == (path, True)
    assert connections[served].outgoing is False
    assert not set(others) & set(connections), "a listener and a socket pair are nobody's connection"


@pytest.mark.parametrize("data", [b"", b"\0" * 8, b"\xff" * 64, b"\x10\0\0\0\x14\0" + b"\0" * 10])
def test_answers_that_make_no_sense(data: bytes) -> None:
    assert parse_messages(data, 1)[0] == []
    assert parse_peer(data) == {}
