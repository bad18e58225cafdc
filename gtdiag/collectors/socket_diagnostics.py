"""Questions to the kernel's socket diagnostics (netlink, sock_diag(7)) to answers; no privilege is needed.

The questions are about the network namespace that the netlink socket was made in, so it is made in the watched
process's own: at once where that is ours, else by a thread that enters it (setns(2); root on the host of a container).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator

SOCK_DIAG_BY_FAMILY = 20
NETLINK_SOCK_DIAG = 4
NLM_F_REQUEST = 0x1
NLM_F_DUMP = 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
CLONE_NEWNET = 0x40000000
"""linux/netlink.h, linux/sock_diag.h, linux/sched.h; there since Linux 3.3."""

HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
RECEIVE_BYTES = 256 * 1024
DEADLINE_S = 0.5
"""The kernel answers at once; this only keeps a broken netlink from holding up a look."""


class SocketDiagnosticsError(Exception):
    """The kernel cannot be asked about this process's sockets. `why` and `hint` are for a CollectionGap."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint


@contextlib.contextmanager
def open_socket_diagnostics(pid: int) -> Iterator[SocketDiagnostics]:
    """Ask about the network namespace of `pid`. Raises SocketDiagnosticsError."""
    with _open_in_namespace_of(pid) as netlink:
        netlink.settimeout(DEADLINE_S)
        yield SocketDiagnostics(netlink)


class SocketDiagnostics:
    """One netlink socket; a question at a time."""

    def __init__(self, netlink: socket.socket) -> None:
        self._netlink = netlink
        self._sequence = 0

    def ask_for_all(self, question: bytes) -> Iterator[bytes]:
        """Every answer to a question about many sockets."""
        self._send(question, NLM_F_REQUEST | NLM_F_DUMP)
        more = True
        while more:
            answers, more = parse_messages(self._netlink.recv(RECEIVE_BYTES), self._sequence)
            yield from answers

    def ask(self, question: bytes) -> bytes | None:
        """The answer to a question about one socket; None where the kernel has no such socket."""
        self._send(question, NLM_F_REQUEST)
        answers, _ = parse_messages(self._netlink.recv(RECEIVE_BYTES), self._sequence)
        return answers[0] if answers else None

    def _send(self, question: bytes, flags: int) -> None:
        self._sequence += 1
        length = HEADER.size + len(question)
        self._netlink.send(HEADER.pack(length, SOCK_DIAG_BY_FAMILY, flags, self._sequence, 0) + question)


def parse_messages(data: bytes, sequence: int) -> tuple[list[bytes], bool]:
    """Parse one datagram: the bodies of the messages that answer `sequence`, and whether more is to come."""
    bodies: list[bytes] = []
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, _, answers, _ = HEADER.unpack_from(data, at)
        if kind in (NLMSG_DONE, NLMSG_ERROR) and answers == sequence:
            return bodies, False
        if length < HEADER.size or at + length > len(data):
            return bodies, False
        if kind == SOCK_DIAG_BY_FAMILY and answers == sequence:
            bodies.append(data[at + HEADER.size : at + length])
        at += (length + 3) & ~3
    return bodies, len(data) > 0


def parse_attributes(body: bytes, start: int) -> dict[int, bytes]:
    """Parse the attributes behind an answer's fixed part: number to value."""
    found: dict[int, bytes] = {}
    at = start
    while at + ATTRIBUTE.size <= len(body):
        size, number = ATTRIBUTE.unpack_from(body, at)
        if size < ATTRIBUTE.size or at + size > len(body):
            break
        found[number] = body[at + ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3
    return found


def _open_in_namespace_of(pid: int) -> socket.socket:
    if not hasattr(socket, "AF_NETLINK"):
        raise SocketDiagnosticsError("this system has no netlink")
    try:
        if os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net"):  # noqa: PTH115
            return _open()
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    except PermissionError:
        return _open()  # most likely the same; a socket of another namespace is not found by its inode
    except OSError as error:
        raise SocketDiagnosticsError(f"the kernel's socket diagnostics cannot be used: {error.strerror}") from None
    return _open_elsewhere(pid)


def _open() -> socket.socket:
    try:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
    except OSError as error:
        raise SocketDiagnosticsError(f"the kernel's socket diagnostics cannot be used: {error.strerror}") from None


def _open_elsewhere(pid: int) -> socket.socket:
    """A thread enters the namespace and ends: no other thread of this process ever leaves its own."""
    opened: list[socket.socket] = []
    failure: list[OSError] = []

    def enter() -> None:
        import ctypes  # needed on the host of a container only

        try:
            with open(f"/proc/{pid}/ns/net", "rb") as namespace:  # noqa: PTH123
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
                opened.append(_open())
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if opened:
        return opened[0]
    reason = failure[0].strerror if failure else "no netlink there"
    raise SocketDiagnosticsError(
        f"the process is in a network namespace of its own that may not be entered ({reason})",
        "run gtdiag as root on the host, inside the container, or in its network (docker run --network=container:NAME)",
    )
