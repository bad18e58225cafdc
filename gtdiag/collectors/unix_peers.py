"""The kernel's table of unix sockets to who is connected with whom: inode to the peer's inode, by sock_diag(7).

/proc/net/unix shows no peers; a database client's socket has no name of its own, so only the peer's tells the server.
"""

from __future__ import annotations

import socket
import struct

from gtdiag.collectors.socket_diagnostics import (
    SocketDiagnosticsError,
    open_socket_diagnostics,
    parse_attributes,
)

UDIAG_SHOW_PEER = 0x4
UNIX_DIAG_PEER = 2
ALL_STATES = 0xFFFFFFFF
"""linux/unix_diag.h; there since Linux 3.3."""

QUESTION = struct.Struct("=BBHIIIII")
ANSWER = struct.Struct("=BBBBIII")
INODE = struct.Struct("=I")


def read_unix_peers(pid: int) -> dict[int, int]:
    """Ask for the peers of all connected unix sockets of the process's network namespace.

    Empty where the kernel cannot be asked about that namespace, or does not answer.
    """
    question = QUESTION.pack(socket.AF_UNIX, 0, 0, ALL_STATES, 0, UDIAG_SHOW_PEER, 0, 0)
    peers: dict[int, int] = {}
    try:
        with open_socket_diagnostics(pid) as diagnostics:
            for answer in diagnostics.ask_for_all(question):
                peers.update(parse_peer(answer))
    except (SocketDiagnosticsError, OSError):
        pass
    return peers


def parse_peer(answer: bytes) -> dict[int, int]:
    """Parse a `struct unix_diag_msg`: the socket's inode and its peer's; empty where it has none."""
    if len(answer) < ANSWER.size:
        return {}
    peer = parse_attributes(answer, ANSWER.size).get(UNIX_DIAG_PEER, b"")
    if len(peer) < INODE.size:
        return {}
    return {ANSWER.unpack_from(answer)[4]: INODE.unpack_from(peer)[0]}
