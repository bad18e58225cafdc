"""The kernel's table of unix sockets to who is connected with whom: inode to the peer's inode, by netlink sock_diag(7).

/proc/net/unix shows no peers; a database client's socket has no name of its own, so only the peer's tells the server.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct

SOCK_DIAG_BY_FAMILY = 20
NETLINK_SOCK_DIAG = 4
NLM_F_REQUEST_DUMP = 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3
UDIAG_SHOW_PEER = 0x4
UNIX_DIAG_PEER = 2
ALL_STATES = 0xFFFFFFFF
"""linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h; there since Linux 3.3."""

NETLINK_HEADER = struct.Struct("=IHHII")
REQUEST = struct.Struct("=BBHIIIII")
ANSWER = struct.Struct("=BBBBIII")
ATTRIBUTE = struct.Struct("=HH")
INODE = struct.Struct("=I")

RECEIVE_BYTES = 256 * 1024
DEADLINE_S = 0.5
"""The kernel answers at once; this only keeps a broken netlink from holding up a look."""


def read_unix_peers(pid: int) -> dict[int, int]:
    """Ask for the peers of all connected unix sockets of this network namespace; no privilege is needed.

    Empty where the process is in another network namespace (the question is about one's own), or where the kernel
    does not answer.
    """
    try:
        if os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net"):  # noqa: PTH115
            return {}
    except OSError:
        return {}
    peers: dict[int, int] = {}
    with (
        contextlib.suppress(OSError, AttributeError),
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink,
    ):
        netlink.settimeout(DEADLINE_S)
        body = REQUEST.pack(socket.AF_UNIX, 0, 0, ALL_STATES, 0, UDIAG_SHOW_PEER, 0, 0)
        length = NETLINK_HEADER.size + len(body)
        netlink.send(NETLINK_HEADER.pack(length, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 1, 0) + body)
        while True:
            found, more = parse_answers(netlink.recv(RECEIVE_BYTES))
            peers.update(found)
            if not more:
                break
    return peers


def parse_answers(data: bytes) -> tuple[dict[int, int], bool]:
    """Parse one datagram of the answer: inode to peer's inode, and whether more is to come."""
    peers: dict[int, int] = {}
    at = 0
    while at + NETLINK_HEADER.size <= len(data):
        length, kind, _, _, _ = NETLINK_HEADER.unpack_from(data, at)
        end = at + length
        if kind in (NLMSG_DONE, NLMSG_ERROR) or length < NETLINK_HEADER.size or end > len(data):
            return peers, False
        place = at + NETLINK_HEADER.size
        if place + ANSWER.size <= end:
            inode = ANSWER.unpack_from(data, place)[4]
            place += ANSWER.size
            while place + ATTRIBUTE.size <= end:
                size, name = ATTRIBUTE.unpack_from(data, place)
                if size < ATTRIBUTE.size:
                    break
                if name == UNIX_DIAG_PEER and size >= ATTRIBUTE.size + INODE.size:
                    peers[inode] = INODE.unpack_from(data, place + ATTRIBUTE.size)[0]
                place += (size + 3) & ~3
        at += (length + 3) & ~3
    return peers, len(data) > 0
