"""A pid in a log line to the worker's identity: pids come back, so a life is a pid and how often it was booted."""

from __future__ import annotations

from collections import OrderedDict

from gtdiag.model.identity import WorkerId

_MOST_PIDS = 65_536
"""Lives remembered; a server that boots for ever must not grow the memory for ever (0.1 kB each)."""


class WorkerIdentities:
    """Counts the boots of each pid in each stream (replica), oldest forgotten first."""

    def __init__(self) -> None:
        self._spawns: OrderedDict[tuple[str, int], int] = OrderedDict()

    def boot(self, stream: str, pid: int) -> WorkerId:
        """The identity of a worker that boots now."""
        key = (stream, pid)
        spawn = self._spawns.pop(key, 0) + 1
        self._spawns[key] = spawn
        if len(self._spawns) > _MOST_PIDS:
            self._spawns.popitem(last=False)
        return WorkerId(pid=pid, spawn=spawn)

    def find(self, stream: str, pid: int) -> WorkerId:
        """The identity of a worker some line is about; spawn 0 where its boot line is not in the log."""
        return WorkerId(pid=pid, spawn=self._spawns.get((stream, pid), 0))
