"""A worker's connections to those that the master or other workers hold, too: one socket, carried through a fork."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import defaultdict
from collections.abc import Set

from gtdiag.collectors.sockets import read_socket_inodes
from gtdiag.gunicorn.proc_files import read_children
from gtdiag.model.stacks import Connection

KEEP_S = 0.1
"""For how long what a process holds serves the looks at its siblings: else 32 workers were read 32 times each."""


class SharedSocketFinder:
    """Finds who else holds a worker's connections. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, Set[int]] = {}
        self._began_s = float("-inf")

    def find(self, pid: int, master_pid: int, connections: tuple[Connection, ...]) -> tuple[Connection, ...]:
        """The connections, with the other holders of each. A process that may not be read holds nothing, as far as
        seen.
        """
        candidates = {c.inode for c in connections if c.outgoing and c.peer and c.inode is not None}
        if not candidates:
            return connections
        holders: dict[int, list[int]] = defaultdict(list)
        for other in (master_pid, *_children(master_pid)):
            if other != pid:
                for inode in candidates & self._held_by(other):
                    holders[inode].append(other)
        if not holders:
            return connections
        return tuple(
            dataclasses.replace(c, shared_with=tuple(holders[c.inode])) if c.inode in holders else c
            for c in connections
        )

    def _held_by(self, pid: int) -> Set[int]:
        with self._lock:
            if time.monotonic() - self._began_s > KEEP_S:
                self._held, self._began_s = {}, time.monotonic()
            if pid not in self._held:
                try:
                    self._held[pid] = read_socket_inodes(pid).keys()
                except (ProcessLookupError, PermissionError):
                    self._held[pid] = frozenset()
            return self._held[pid]


def _children(master_pid: int) -> list[int]:
    try:
        return list(read_children(master_pid))
    except (ProcessLookupError, PermissionError):
        return []
