"""Events of a log to those of its last minutes: `--since 10m` counts back from an end that only the whole log tells."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from gtdiag.model.events import Event, ObservationEnded, ObservationStarted


def keep_window(events: Iterable[Event], since: timedelta | None, until: timedelta | None) -> Iterator[Event]:
    """Yield the events from `since` to `until` before the end of the observation; None: no bound on that side.

    Events without a time are kept. With `since`, no more than one window of events is held in memory.
    """
    started: Event | None = None
    ended: Event | None = None
    held: deque[Event] = deque()
    newest: datetime | None = None
    for event in events:
        if isinstance(event, ObservationStarted):
            started = event
        elif isinstance(event, ObservationEnded):
            ended = event
        else:
            held.append(event)
            if event.at is not None:
                newest = event.at if newest is None else max(newest, event.at)
                _drop_older(held, newest, since)
    end = ended.at if ended is not None and ended.at is not None else newest
    if end is None:
        first, last = None, None
    else:
        first = None if since is None else end - since
        last = None if until is None else end - until
    if started is not None:
        yield _not_before(started, first)
    yield from (event for event in held if _is_inside(event.at, first, last))
    if ended is not None:
        yield ended if last is None else replace(ended, at=last)


def _drop_older(held: deque[Event], newest: datetime, since: timedelta | None) -> None:
    if since is None:
        return
    while held:
        at = held[0].at
        if at is None or at >= newest - since:
            return
        held.popleft()


def _is_inside(at: datetime | None, first: datetime | None, last: datetime | None) -> bool:
    return at is None or ((first is None or at >= first) and (last is None or at <= last))


def _not_before(started: Event, first: datetime | None) -> Event:
    if first is None or (started.at is not None and started.at >= first):
        return started
    return replace(started, at=first)
