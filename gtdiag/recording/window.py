"""The events of a recording to those of a part of its time, with what must be known of the time before it.

Kept from before the window: the master and its settings, the birth of each worker that still lived when it began and
what was logged about it, the latest of each kind of sample that later ones are compared with, and every gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from gtdiag.model import events
from gtdiag.model.events import Event
from gtdiag.model.identity import Origin

_ABOUT_THE_MASTER = (
    events.MasterStarted,
    events.MasterListening,
    events.WorkerClassAnnounced,
    events.MasterSettings,
)
_LATEST_OF_A_WORKER = (
    events.HeartbeatSample,
    events.ProcessSample,
    events.HostSample,
)
_LATEST_OF_THE_MACHINE = (events.CgroupSample, events.CpuSample)
_OTHER_SAMPLES = (
    events.StackSample,
    events.SuspendedSample,
    events.RequestSample,
    events.SocketSample,
    events.HealthSample,
)
_ENDS = (events.WorkerExited, events.WorkerSignalled)


def cut_to_window(seen: Iterable[Event], first: datetime | None, last: datetime | None) -> Iterator[Event]:
    """Yield the events from `first` to `last` (None: no bound on that side), after what is needed from before.

    An event without a time belongs to where it stands.
    """
    before = _Before()
    ended: Event | None = None
    beyond: Event | None = None
    inside = first is None
    for event in seen:
        if isinstance(event, events.ObservationEnded):
            ended = event
            continue
        if isinstance(event, events.ObservationStarted):
            late = first is not None and (event.at is None or event.at < first)
            yield replace(event, at=first) if late else event
            continue
        if last is not None and event.at is not None and event.at > last:
            beyond = event
            continue
        if first is not None and _is_before(event, first, inside):
            if not inside:
                before.add(event)
            elif not isinstance(event, _SAMPLES):
                yield event  # said late, and still about the time before
            continue
        if not inside:
            inside = True
            yield from before.what_is_needed()
        if not before.is_about_the_dead(event):
            yield event
    if not inside:
        yield from before.what_is_needed()
    if ended is None and beyond is not None:  # the recording breaks off, and the window does not
        ended = events.ObservationEnded(origin=Origin("recording"), at=beyond.at, seq=beyond.seq)
    if ended is not None:
        yield ended if last is None or (ended.at is not None and ended.at < last) else replace(ended, at=last)


_SAMPLES = (events.StartupSample, *_LATEST_OF_A_WORKER, *_LATEST_OF_THE_MACHINE, *_OTHER_SAMPLES)


def _is_before(event: Event, first: datetime, inside: bool) -> bool:
    if event.at is None:
        return not inside
    # A log's time is cut to the second: what it says may have happened until the next one.
    exact_s = event.resolution_s if event.origin.source == "log" else 0.0
    return event.at + timedelta(seconds=exact_s) <= first


class _Before:
    """What happened before the window, as far as it will be needed."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Event] = {}
        self._lives: dict[int, list[Event]] = {}
        self._latest: dict[int, dict[type[Event], Event]] = {}
        self._dead: set[int] = set()

    def add(self, event: Event) -> None:
        """Remember it, or forget what it makes needless."""
        if isinstance(event, events.CollectionGap):
            self._kept[type(event), event.what, event.why] = event
        elif isinstance(event, (*_ABOUT_THE_MASTER, *_LATEST_OF_THE_MACHINE)):
            self._kept[type(event), event.master_pid, event.origin.stream] = event
        elif event.worker is not None:
            self._add_of_worker(event, event.worker.pid)
        elif isinstance(event, events.ProcessSample):
            self._kept[type(event), event.master_pid] = event

    def _add_of_worker(self, event: Event, pid: int) -> None:
        if isinstance(event, _ENDS):
            self._lives.pop(pid, None)
            self._latest.pop(pid, None)
            self._dead.add(pid)
            return
        if isinstance(event, events.WorkerBooted):
            self._dead.discard(pid)
        elif pid in self._dead or isinstance(event, _OTHER_SAMPLES):
            return
        if isinstance(event, _LATEST_OF_A_WORKER):
            self._latest.setdefault(pid, {})[type(event)] = event
        elif isinstance(event, events.StartupSample):
            if not event.unchanged:
                self._latest.setdefault(pid, {})[type(event)] = event
        else:
            self._lives.setdefault(pid, []).append(event)

    def what_is_needed(self) -> Iterator[Event]:
        """Yield it in the order in which it was seen."""
        of_workers = [event for told in self._lives.values() for event in told]
        samples = [event for latest in self._latest.values() for event in latest.values()]
        yield from sorted([*self._kept.values(), *of_workers, *samples], key=lambda event: event.seq)

    def is_about_the_dead(self, event: Event) -> bool:
        """Whether it is one more word about the end of a worker that had ended before the window."""
        if event.worker is None or event.worker.pid not in self._dead:
            return False
        if isinstance(event, events.WorkerBooted):
            self._dead.discard(event.worker.pid)
            return False
        return True
