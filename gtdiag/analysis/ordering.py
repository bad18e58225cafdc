"""Log events of one second in the order in which they must have happened.

gunicorn's stamps are cut to the second, and platforms shuffle lines within it; sorting by cause and effect makes the
report independent of that order. Events with a finer time, or none, pass as they come.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gtdiag.model import events

_ORDER: tuple[type[events.Event], ...] = (
    events.MasterStarted,
    events.MasterListening,
    events.WorkerClassAnnounced,
    events.MasterSignalled,
    events.WorkerBooted,
    events.WorkerProgressed,
    events.WorkerReady,
    events.WorkerRecycled,
    events.KernelOomKilled,
    events.WorkerTimedOut,
    events.TracebackLogged,
    events.WorkerBootFailed,
    events.WorkerExiting,
    events.WorkerGracefulTimeout,
    events.WorkerSignalled,
    events.WorkerExited,
    events.MasterHalted,
    events.MasterShutDown,
)
_RANK = {cls: rank for rank, cls in enumerate(_ORDER)}
_BEFORE_ALL = -1


class SecondBuffer:
    """Holds the log events of the second that is being read, and gives them out in causal order when it is over."""

    def __init__(self) -> None:
        self._second: datetime | None = None
        self._held: list[events.Event] = []

    def push(self, event: events.Event) -> Iterator[events.Event]:
        """Take one event; yields those that are now known to be in order."""
        if event.at is None or event.resolution_s < 1.0 or type(event) not in _RANK:
            yield from self.flush()
            yield event
            return
        second = event.at.replace(microsecond=0)
        if self._second is not None and second != self._second:
            yield from self.flush()
        self._second = second
        self._held.append(event)

    def flush(self) -> Iterator[events.Event]:
        """The events still held, in causal order."""
        held, self._held, self._second = self._held, [], None
        if len(held) > 1:
            started = {e.master_pid: e.seq for e in held if isinstance(e, events.MasterStarted)}
            held.sort(key=lambda event: (_rank(event, started), event.worker.pid if event.worker else 0))
        yield from held


def _rank(event: events.Event, started: dict[int | None, int]) -> int:
    # A master that shuts down in the second in which another one starts comes first; one that starts and fails within
    # one second shuts down last.
    if isinstance(event, events.MasterShutDown) and event.master_pid not in started and started:
        return _BEFORE_ALL
    if isinstance(event, events.MasterShutDown) and event.seq < started.get(event.master_pid, event.seq):
        return _BEFORE_ALL
    return _RANK[type(event)]
