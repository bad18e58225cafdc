"""A network namespace to the kernel's tables of the sockets in it, read once for all processes looked at together.

Reading /proc/net/tcp and tcp6 walks the kernel's whole hash tables: 2 to 3 ms, however few sockets there are. The
workers of one server are in one namespace and are looked at one after the other.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import IO

from gtdiag.collectors.unix_peers import read_unix_peers

KEEP_S = 0.1
"""For how long a table serves. What went over a connection is asked of the kernel at each look all the same."""
MAX_NAMESPACES = 64
LONGEST_TABLE_BYTES = 64 * 1024 * 1024
_TABLE_PART_BYTES = 1 << 16
_INODE_AT = {"tcp": 9, "tcp6": 9, "udp": 9, "udp6": 9, "unix": 6}
"""The tables, and the column of the inode in each (proc(5))."""


class SocketTables:
    """The tables of one namespace, as they were when they were read. `pid`: a process in it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._headings: dict[str, str] = {}
        self._rows: dict[str, dict[int, str]] = {}
        self._unix_peers: dict[int, int] | None = None
        self._lock = threading.Lock()
        for name, inode_at in _INODE_AT.items():
            heading, *rows = read_table(pid, name).splitlines() or [""]
            self._headings[name] = heading
            self._rows[name] = dict(_by_inode(rows, inode_at))
        self.read_at_s = time.monotonic()
        self.unknown: frozenset[int] = frozenset()
        """Inodes that were looked for when the tables were new, and are in none (netlink, packet sockets)."""

    def text(self, name: str, inodes: Iterable[int]) -> str:
        """The rows of the table `name` that are about these sockets, below its heading."""
        rows = self._rows[name]
        return "\n".join([self._headings[name], *(rows[inode] for inode in inodes if inode in rows)])

    def lacks(self, inodes: Iterable[int]) -> frozenset[int]:
        """Those of the inodes that no table has."""
        return frozenset(inode for inode in inodes if not any(inode in rows for rows in self._rows.values()))

    def unix_peers(self) -> dict[int, int]:
        """See read_unix_peers; asked for once."""
        with self._lock:
            if self._unix_peers is None:
                self._unix_peers = read_unix_peers(self._pid)
            return self._unix_peers


class SharedSocketTables:
    """The tables of every namespace that was looked into lately. Safe to use from several threads."""

    def __init__(self, read: Callable[[int], SocketTables] = SocketTables) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._tables: dict[str, SocketTables] = {}

    def of(self, pid: int, inodes: Collection[int]) -> SocketTables:
        """The tables of the namespace of `pid`, new enough to have its sockets in them."""
        try:
            namespace = os.readlink(f"/proc/{pid}/ns/net")  # noqa: PTH115
        except OSError:
            return self._read(pid)  # which it is may not be asked: nothing to share with
        with self._lock:
            known = self._tables.get(namespace)
            if known is not None and time.monotonic() - known.read_at_s > KEEP_S:
                known = None
            if known is not None and known.lacks(inodes) <= known.unknown:
                return known
            fresh = self._read(pid)
            fresh.unknown = fresh.lacks(inodes) | (known.unknown if known is not None else frozenset())
            if len(self._tables) >= MAX_NAMESPACES:
                self._tables.clear()
            self._tables[namespace] = fresh
            return fresh


def read_table(pid: int, name: str) -> str:
    """The text of a table up to LONGEST_TABLE_BYTES; empty where it cannot be read."""
    try:
        with open(f"/proc/{pid}/net/{name}", "rb") as file:  # noqa: PTH123
            return _read_bounded(file).decode("utf-8", "replace")
    except OSError:
        return ""


def _read_bounded(file: IO[bytes]) -> bytes:
    """A read of so many bytes at once would first allocate them all."""
    parts: list[bytes] = []
    left = LONGEST_TABLE_BYTES
    while left > 0 and (part := file.read(min(left, _TABLE_PART_BYTES))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _by_inode(rows: list[str], inode_at: int) -> Iterator[tuple[int, str]]:
    """Each row under its inode; connections that no process holds any more have none (0)."""
    for row in rows:
        words = row.split(None, inode_at + 1)
        if len(words) > inode_at and words[inode_at] != "0" and words[inode_at].isdecimal():
            yield int(words[inode_at]), row
