"""A worker's connections to those that the master or other workers hold, too: one socket, carried through a fork."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

from gtdiag.collectors.sockets import read_socket_inodes
from gtdiag.gunicorn.proc_files import read_children
from gtdiag.model.stacks import Connection


def find_shared(pid: int, master_pid: int, connections: tuple[Connection, ...]) -> tuple[Connection, ...]:
    """The connections, with the other holders of each. A process that may not be read holds nothing, as far as seen."""
    candidates = {c.inode for c in connections if c.outgoing and c.peer and c.inode is not None}
    if not candidates:
        return connections
    holders: dict[int, list[int]] = defaultdict(list)
    for other in (master_pid, *_children(master_pid)):
        if other == pid:
            continue
        try:
            held = read_socket_inodes(other)
        except (ProcessLookupError, PermissionError):
            continue
        for inode in candidates & set(held):
            holders[inode].append(other)
    if not holders:
        return connections
    return tuple(
        dataclasses.replace(c, shared_with=tuple(holders[c.inode])) if c.inode in holders else c for c in connections
    )


def _children(master_pid: int) -> list[int]:
    try:
        return list(read_children(master_pid))
    except (ProcessLookupError, PermissionError):
        return []
