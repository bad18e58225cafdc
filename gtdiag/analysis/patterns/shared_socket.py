"""One and the same connection in several processes of a master to the fork that it was carried through."""

from __future__ import annotations

from collections import defaultdict

from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import count_of, pids_in_words
from gtdiag.model.report import Confidence, Pattern, PatternKind
from gtdiag.model.stacks import Connection
from gtdiag.rules.services import match_service

_LOGGING = ("/dev/log", "/run/systemd/journal", "/var/run/syslog")


def match_shared_socket(group: MasterGroup) -> list[Pattern]:
    """Outgoing connections held by more than one process: two of them speak at once, and read each other's answers."""
    holders: dict[int, set[int]] = defaultdict(set)
    connections: dict[int, Connection] = {}
    blamed = set()
    for judgement in group.judgements:
        waiting_on = judgement.blocked.waiting_on if judgement.blocked is not None else None
        for inode, connection in judgement.life.shared_sockets.items():
            holders[inode] |= {judgement.life.pid, *connection.shared_with}
            connections[inode] = connection
            if waiting_on is not None and waiting_on.peer == connection.peer:
                blamed.add(inode)
    by_peer: dict[str, list[int]] = defaultdict(list)
    for inode, connection in connections.items():
        if connection.peer and connection.outgoing and not connection.peer.startswith(_LOGGING):
            by_peer[connection.peer].append(inode)
    return [
        _pattern(group, peer, inodes, {pid for inode in inodes for pid in holders[inode]}, bool(blamed & set(inodes)))
        for peer, inodes in by_peer.items()
        if (blamed & set(inodes)) or match_service(peer) is not None or connections[inodes[0]].family != "unix"
    ]


def _pattern(group: MasterGroup, peer: str, inodes: list[int], pids: set[int], blamed: bool) -> Pattern:
    service = match_service(peer)
    what = f"{service.name} at {peer}" if service is not None else peer
    known = service is not None and service.category.value in ("database", "cache", "broker")
    workers = tuple(sorted(pids - {group.master_pid}))
    with_master = "the master and " if group.master_pid in pids else ""
    number = f"{count_of(len(inodes), 'connection')} to {what} {'is' if len(inodes) == 1 else 'are'}"
    return Pattern(
        kind=PatternKind.SHARED_SOCKET,
        summary=f"{number} held by {with_master}{count_of(len(workers), 'worker')} at once: opened before the fork; "
        "processes that share one read each other's answers",
        # That they share it is a fact; that it harms is certain for protocols of question and answer.
        confidence=Confidence.HIGH if known or blamed else Confidence.MEDIUM,
        pids=workers,
        master_pid=group.master_pid,
        category=service.category if service is not None else None,
        evidence=tuple(
            f"socket inode {inode} is open in pids {pids_in_words(tuple(sorted(pids)))}" for inode in inodes[:4]
        ),
    )
