"""The masters seen, and which of them a stream and a pid mean: found at once, however often a server restarted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from gtdiag.analysis.lives import MasterLife


class MasterIndex:
    """All masters in the order in which they were first seen. A stream is a replica's part of the events."""

    def __init__(self) -> None:
        self._all: list[MasterLife] = []
        self._latest: dict[tuple[str, int | None], MasterLife] = {}
        self._of_stream: dict[str, list[MasterLife]] = defaultdict(list)
        self._running: dict[str, list[MasterLife]] = defaultdict(list)

    def __iter__(self) -> Iterator[MasterLife]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, master: MasterLife) -> None:
        """Take a master that is new; its stream and pid never change."""
        self._all.append(master)
        self._latest[(master.stream, master.pid)] = master
        self._of_stream[master.stream].append(master)
        self._running[master.stream].append(master)

    def find(self, stream: str, pid: int | None) -> MasterLife | None:
        """The latest master of that pid."""
        return self._latest.get((stream, pid))

    def latest(self, stream: str) -> MasterLife | None:
        """The latest master of a stream, ended or not."""
        masters = self._of_stream.get(stream)
        return masters[-1] if masters else None

    def only(self, stream: str) -> MasterLife | None:
        """The master of a stream that has had just one."""
        masters = self._of_stream.get(stream, ())
        return masters[0] if len(masters) == 1 else None

    def running(self, stream: str) -> list[MasterLife]:
        """The masters of a stream that are not known to have ended; an ended one is looked at once more, then never."""
        running = self._running.get(stream, [])
        if any(master.ended_at is not None for master in running):
            running[:] = [master for master in running if master.ended_at is None]
        return running
