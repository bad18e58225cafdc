"""Of the replicas whose lines one log carries (several pods, compose services), those of the watched master alone.

In containers every master is pid 1 or 7, so a line of another replica's worker would be taken for one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

from gtdiag.model.events import CollectionGap, Event
from gtdiag.model.identity import Origin

_NAMES = re.compile(r"[\w.-]+")


class OwnReplica:
    """Lets pass what the watched master's replica logged, by the stream that the lines' carrier names.

    The replica named like the master's host is ours (a pod's name is its host name). Without one, whichever speaks of
    our master's pid is, as long as it is the only one. `masters`: the pids of the watched masters.
    """

    def __init__(self, host_name: str | None, masters: Callable[[], Collection[int]]) -> None:
        self._host_name = host_name
        self._masters = masters
        self._certain = False
        self._claims: list[str] = []
        """Streams that speak of our master's pid."""

    def accept(self, event: Event) -> list[Event]:
        """The event; nothing where it is another replica's; once a gap, where whose lines are whose cannot be told."""
        stream = event.origin.stream
        if not stream:
            return [event]
        if self._host_name and self._host_name in _NAMES.findall(stream):
            self._certain = True
            return [event]
        if self._certain:
            return []
        if event.master_pid is not None and event.master_pid in self._masters() and stream not in self._claims:
            self._claims.append(stream)
            if len(self._claims) == 2:
                return [self._cannot_tell(event)]
        if len(self._claims) > 1 or (self._claims and stream not in self._claims):
            return []
        return [event]

    def _cannot_tell(self, event: Event) -> CollectionGap:
        return CollectionGap(
            origin=Origin("log", file=event.origin.file),
            at=event.at,
            resolution_s=event.resolution_s,
            seq=event.seq,
            what="log",
            why=f"the log carries several replicas with the watched master's pid ({', '.join(self._claims)}); which of "
            "them is watched does not show, and from here on it is left out",
            hint="pass that one's own log alone: kubectl logs -f POD -c CONTAINER, docker logs -f CONTAINER",
        )


def read_host_name(pid: int) -> str | None:
    """What the process's host calls itself: a pod's name, a container's short id; None where it does not show."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    for entry in environment.split(b"\0"):
        if entry.startswith(b"HOSTNAME="):
            return entry[9:].decode("utf-8", "surrogateescape") or None
    return None
