"""The pids that a container's log uses to those that are seen from here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from gtdiag.collectors.host import Host
from gtdiag.model.events import Event, WorkerBooted

MOST_PIDS = 4_096
"""Remembered for the lines of a container's log: workers come and go for as long as the watch lasts."""


class ContainerPids:
    """Those of the masters that are watched; `masters` is the watch's own collection of pids, which changes."""

    def __init__(self, host: Host, masters: Iterable[int]) -> None:
        self._host = host
        self._masters = masters
        self._outer: dict[int, int] = {}

    def known(self) -> dict[int, int]:
        """Inner pids to outer ones, the longest known first."""
        return dict(self._outer)

    def read(self, master_pid: int) -> None:
        """Take those of a master and its workers as they are now."""
        self._outer.update(self._host.inner_pids(master_pid))
        # Those of the dead are kept for what the log still says of them. Whoever lives is read again when it is named.
        while len(self._outer) > MOST_PIDS:
            del self._outer[next(iter(self._outer))]

    def translate(self, event: Event) -> Event:
        """The event with the pids that are seen from here."""
        inner = event.worker.pid if event.worker is not None else event.master_pid
        if inner is not None and (inner not in self._outer or isinstance(event, WorkerBooted)):
            # A new worker's first line mostly comes before the next sample.
            for master_pid in self._masters:
                self.read(master_pid)
        if not self._outer:
            return event
        worker, master_pid_or_none = event.worker, event.master_pid
        if worker is not None and worker.pid in self._outer:
            worker = dataclasses.replace(worker, pid=self._outer[worker.pid])
        if master_pid_or_none is not None:
            master_pid_or_none = self._outer.get(master_pid_or_none, master_pid_or_none)
        return dataclasses.replace(event, worker=worker, master_pid=master_pid_or_none)
