"""Pipes and unix sockets to the process at the other end: a bounded search of the descriptor tables."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable

from gtdiag.collectors.descriptors import INODE_LINK, read_peer_process
from gtdiag.gunicorn.proc_files import read_children
from gtdiag.model.stacks import PeerProcess

MAX_PROCESSES = 4096
MAX_LINKS = 60_000
DEADLINE_S = 0.25
KEEP_S = 2.0
"""One search serves all workers of a look: 32 of them wait for the same server, or each for a child of its own."""


class PeerFinder:
    """Finds who else holds an inode. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders: dict[int, list[int]] = {}
        self._searched_at_s = float("-inf")

    def find(self, pid: int, inode: int) -> PeerProcess | None:
        """The process that holds `inode` besides `pid`: a child of it if one does, else the only other one."""
        children = _children(pid)
        of_children = [child for child in children if inode in _inodes_of(child)]
        if of_children:
            return read_peer_process(of_children[0])
        others = [holder for holder in self._all_holders().get(inode, ()) if holder != pid]
        return read_peer_process(others[0]) if len(others) == 1 else None

    def _all_holders(self) -> dict[int, list[int]]:
        with self._lock:
            if time.monotonic() - self._searched_at_s > KEEP_S:
                self._holders = _search(_processes())
                self._searched_at_s = time.monotonic()
            return self._holders


def _children(pid: int) -> tuple[int, ...]:
    try:
        return read_children(pid)
    except OSError:
        return ()


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()][:MAX_PROCESSES]  # noqa: PTH208


def _search(processes: Iterable[int]) -> dict[int, list[int]]:
    deadline_s = time.monotonic() + DEADLINE_S
    holders: dict[int, list[int]] = {}
    links = 0
    for pid in processes:
        inodes = _inodes_of(pid)
        links += len(inodes)
        for inode in inodes:
            holders.setdefault(inode, []).append(pid)
        if links > MAX_LINKS or time.monotonic() > deadline_s:
            break
    return holders


def _inodes_of(pid: int) -> set[int]:
    """The pipes and sockets a process holds; empty where its table may not be read."""
    inodes: set[int] = set()
    try:
        names = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
    except OSError:
        return inodes
    for name in names:
        try:
            match = INODE_LINK.match(os.readlink(f"/proc/{pid}/fd/{name}"))  # noqa: PTH115
        except OSError:
            continue
        if match:
            inodes.add(int(match[2]))
    return inodes
