"""A process's TCP connections to what went over them and how long ago: `struct tcp_info`, asked for one by one.

A server has thousands of connections and a worker a handful that matter, so the kernel is asked for these by address.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from gtdiag.collectors.socket_diagnostics import (
    SocketDiagnosticsError,
    open_socket_diagnostics,
    parse_attributes,
)
from gtdiag.model.stacks import Connection, TcpTraffic

INET_DIAG_INFO = 2
ANY_COOKIE = b"\xff" * 8
ALL_STATES = 0xFFFFFFFF
"""linux/inet_diag.h; TCP_INFO by netlink since Linux 3.3."""

QUESTION = struct.Struct("=BBBBI")
PORTS = struct.Struct("!HH")
INTERFACE = struct.Struct("=I")
ANSWER = struct.Struct("=BBBB48sIIIII")
TIMER_RETRANSMIT = 1

RETRANSMITS_AT = 2
LAST_DATA_SENT_AT, LAST_DATA_RECEIVED_AT, TOTAL_RETRANSMITS_AT = 44, 52, 100
BYTES_ACKED_AT, BYTES_RECEIVED_AT, BYTES_SENT_AT = 120, 128, 200
"""Places in `struct tcp_info`, which only ever grows: the byte counts came with 4.1, `bytes_sent` with 4.19."""
U32, U64 = struct.Struct("=I"), struct.Struct("=Q")

MAX_ASKED = 64


def read_traffic(pid: int, connections: Iterable[Connection]) -> dict[int, TcpTraffic]:
    """Ask for the traffic of connections by inode; those that are gone meanwhile are left out.

    Raises SocketDiagnosticsError where the kernel cannot be asked, ProcessLookupError when the process is gone.
    """
    asked = [c for c in connections if c.protocol == "tcp" and c.peer and c.inode is not None][:MAX_ASKED]
    if not asked:
        return {}
    traffic: dict[int, TcpTraffic] = {}
    with open_socket_diagnostics(pid) as diagnostics:
        for connection in asked:
            try:
                answer = diagnostics.ask(build_question(connection))
            except OSError as error:
                raise SocketDiagnosticsError(f"the kernel's socket diagnostics do not answer: {error}") from None
            found = parse_traffic(answer) if answer is not None else None
            if found is not None and found[0] == connection.inode:
                traffic[found[0]] = found[1]
    return traffic


def find_other_ends(pid: int, connections: Iterable[Connection]) -> dict[int, int]:
    """The inodes of the sockets at the other end of connections within this host, by the connections' own inodes."""
    local = [c for c in connections if c.protocol == "tcp" and c.peer and c.inode is not None and _is_local(c)][
        :MAX_ASKED
    ]
    found: dict[int, int] = {}
    if not local:
        return found
    with suppress(SocketDiagnosticsError, OSError), open_socket_diagnostics(pid) as diagnostics:
        for connection in local:
            assert connection.peer is not None and connection.inode is not None
            turned = replace(connection, local=connection.peer, peer=connection.local)
            answer = diagnostics.ask(build_question(turned))
            if answer is not None and len(answer) >= ANSWER.size and (inode := ANSWER.unpack_from(answer)[-1]):
                found[connection.inode] = inode
    return found


def _is_local(connection: Connection) -> bool:
    """Whether both ends have the same address, or the loopback's: the peer is a process of the same host."""
    own, peer = _split(connection.local)[0], _split(connection.peer or "")[0]
    return own == peer or ipaddress.ip_address(peer).is_loopback


def build_question(connection: Connection) -> bytes:
    """Build a `struct inet_diag_req_v2` for one connection by its addresses."""
    assert connection.peer is not None
    local, local_port = _split(connection.local)
    peer, peer_port = _split(connection.peer)
    family = socket.AF_INET6 if connection.family == "inet6" else socket.AF_INET
    return (
        QUESTION.pack(family, socket.IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0, ALL_STATES)
        + PORTS.pack(local_port, peer_port)
        + _packed(local, family)
        + _packed(peer, family)
        + INTERFACE.pack(0)
        + ANY_COOKIE
    )


def parse_traffic(answer: bytes) -> tuple[int, TcpTraffic] | None:
    """Parse a `struct inet_diag_msg` with its tcp_info: the inode and the traffic; None where it has none."""
    if len(answer) < ANSWER.size:
        return None
    _, _, timer, _, _, expires_ms, receive_queue, send_queue, _, inode = ANSWER.unpack_from(answer)
    info = parse_attributes(answer, ANSWER.size).get(INET_DIAG_INFO)
    if info is None:
        return None
    return inode, TcpTraffic(
        bytes_sent=_number(info, U64, BYTES_SENT_AT),
        bytes_acked=_number(info, U64, BYTES_ACKED_AT),
        bytes_received=_number(info, U64, BYTES_RECEIVED_AT),
        last_sent_s=_seconds(_number(info, U32, LAST_DATA_SENT_AT)),
        last_received_s=_seconds(_number(info, U32, LAST_DATA_RECEIVED_AT)),
        retransmits=info[RETRANSMITS_AT] if len(info) > RETRANSMITS_AT else 0,
        total_retransmits=_number(info, U32, TOTAL_RETRANSMITS_AT) or 0,
        next_retransmit_s=_seconds(expires_ms) if timer == TIMER_RETRANSMIT else None,
        unread_bytes=receive_queue,
        unsent_bytes=send_queue,
    )


def _number(info: bytes, form: struct.Struct, at: int) -> int | None:
    return int(form.unpack_from(info, at)[0]) if len(info) >= at + form.size else None


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else round(milliseconds / 1000, 3)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _packed(host: str, family: int) -> bytes:
    address = ipaddress.ip_address(host)
    if family == socket.AF_INET6 and address.version == 4:
        address = ipaddress.IPv6Address(f"::ffff:{host}")
    return address.packed.ljust(16, b"\0")
