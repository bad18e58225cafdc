"""The servers of the live tests do what their names say; a test that relies on them would not notice otherwise."""

from __future__ import annotations

import socket
import sys

import psutil
import pytest

from tests.live.servers import full_backlog, mute_server, refusing_port, trickling_server


def test_mute_server_accepts_and_never_answers() -> None:
    with mute_server() as server, socket.create_connection((server.host, server.port)) as client:
        client.sendall(b"hello")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_mute_server_ends_with_its_block() -> None:
    with mute_server() as server:
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port))


def test_refusing_port_refuses() -> None:
    with refusing_port() as server, pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's accept queue: Linux")
def test_full_backlog_drops_syns() -> None:
    with full_backlog() as server, socket.socket() as client:
        client.setblocking(False)
        client.connect_ex((server.host, server.port))
        mine = client.getsockname()
        [state] = [found.status for found in psutil.Process().net_connections("tcp4") if found.laddr == mine]
        assert state == psutil.CONN_SYN_SENT


def test_trickling_server_never_ends_its_answer() -> None:
    with trickling_server(every_s=0.05) as server, socket.create_connection((server.host, server.port)) as client:
        client.settimeout(5)
        received = b""
        while len(received.partition(b"\r\n\r\n")[2]) < 3:
            received += client.recv(100)
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
