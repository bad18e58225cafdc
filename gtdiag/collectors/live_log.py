"""The lines of a tailed log, as they arrive, to events whose time is as exact as it can be known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from gtdiag.collectors.clock import Clock, choose_unstepped
from gtdiag.collectors.log_tail import TailLine
from gtdiag.model.events import CollectionGap, Event, MasterStarted, WorkerBooted, WorkerExited, WorkerSignalled
from gtdiag.model.identity import Origin
from gtdiag.shell_words import quote_command

AGREEMENT_S = 2.0
"""A line that arrives within this of its stamp was written just now; the stamp itself is cut to the second."""

STAMP_RESOLUTION_S = 1.0
JUST_BEFORE_NEXT_S = 0.999
QUIET_BEFORE_FLUSH_S = 1.0
"""A traceback is held until its last line is certain; after this long without a line it is over."""

BOOT_TOLERANCE_S = 2.5
"""Between the kernel's start time of a worker and the stamp of its boot line, which is cut to the second."""

MAX_WORKERS_HELD = 256


class Tail(Protocol):
    """A source of lines: FileTail or PipeTail."""

    vanished: bool
    why_vanished: str
    left_out_bytes: int

    def poll(self) -> list[TailLine]:
        """Lines that have arrived."""

    def news(self) -> int | None:
        """A descriptor that can be read when there is something to poll; None where only a poll tells."""

    def close(self) -> list[TailLine]:
        """The last line, which has no end."""


class LineParser(Protocol):
    """The part of `gtdiag.parsing.log_parser.LogParser` that is needed here."""

    def feed(self, line: str, line_number: int) -> list[Event]:
        """Parse one line."""

    def flush(self) -> list[Event]:
        """Give what was held back for a next line."""


class ParserWhenNeeded:
    """A log parser, loaded with the first line: by then the workers are on the screen."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._parser: LineParser | None = None

    def feed(self, line: str, line_number: int) -> list[Event]:
        """Parse one line."""
        return self._loaded().feed(line, line_number)

    def flush(self) -> list[Event]:
        """Give what was held back for a next line."""
        return self._parser.flush() if self._parser is not None else []

    def _loaded(self) -> LineParser:
        if self._parser is None:
            from gtdiag.parsing.log_parser import LogParser

            self._parser = LogParser(file=self._file)
        return self._parser


class LiveLog:
    """Turns a tail into events. `boots` and `masters` give the start time of what lives now, by pid.

    `translate` turns the pids of the log into those that are seen from here (containers). `accept` leaves out what
    another replica logged.
    """

    def __init__(
        self,
        tail: Tail,
        parser: LineParser,
        clock: Clock,
        *,
        file: str,
        poll_s: float,
        boots: Callable[[], dict[int, datetime]],
        masters: Callable[[], dict[int, datetime]],
        translate: Callable[[Event], Event] = lambda event: event,
        accept: Callable[[Event], list[Event]] = lambda event: [event],
    ) -> None:
        self._tail = tail
        self._parser = parser
        self._clock = clock
        self._file = file
        self._poll_s = poll_s
        self._boots = boots
        self._masters = masters
        self._translate = translate
        self._accept = accept
        self._quiet_since_s = 0.0
        self._held = False
        self._said_vanished = self._said_left_out = False
        self._of_the_dead: dict[int, list[Event]] = {}
        """Old lines of workers that were gone when the watch began, and of whose end nothing has been logged yet."""

    def poll(self) -> list[Event]:
        """Give the events of the lines that have arrived, and a gap when the file has gone."""
        lines = self._tail.poll()
        now_s = self._clock.monotonic()
        events = self._events_of(lines)
        if lines:
            self._quiet_since_s, self._held = now_s, True
        elif self._held and now_s - self._quiet_since_s >= QUIET_BEFORE_FLUSH_S:
            self._held = False
            events += self._flushed()
        if self._tail.vanished and not self._said_vanished:
            events.append(
                CollectionGap(
                    origin=Origin("log", file=self._file),
                    at=self._clock.now(),
                    what="log",
                    why=f"the log {self._file} cannot be read any more ({self._tail.why_vanished})",
                    hint="it is read again as soon as it is back; if it was moved: --log PATH",
                )
            )
        self._said_vanished = self._tail.vanished
        return events + self._left_out()

    def news(self) -> int | None:
        """A descriptor that can be read as soon as there is something to poll; None: poll again soon."""
        return None if self._held else self._tail.news()

    def close(self) -> list[Event]:
        """Give what is left at the end of the observation."""
        events = self._events_of(self._tail.poll()) + self._events_of(self._tail.close())
        return events + self._left_out() + self._flushed()

    def _left_out(self) -> list[Event]:
        """Said once: a log that is too fast stays so, and each gap of another wording would be one more."""
        if self._said_left_out or not self._tail.left_out_bytes:
            return []
        self._said_left_out = True
        return [
            CollectionGap(
                origin=Origin("log", file=self._file),
                at=self._clock.now(),
                what="log",
                why=f"the log {self._file} grows faster than it can be read: parts of it were left out",
                hint=f"afterwards, the saved log has them: {quote_command(['gtdiag', 'analyze', self._file])}",
            )
        ]

    def _flushed(self) -> list[Event]:
        return [self._dated(event) for parsed in self._parser.flush() for event in self._own(parsed)]

    def _events_of(self, lines: Sequence[TailLine]) -> list[Event]:
        events: list[Event] = []
        old: list[Event] = []
        for line in lines:
            parsed = [own for event in self._parser.feed(line.text, line.number) for own in self._own(event)]
            if line.old:
                old += parsed
                continue
            for event in parsed:
                events += self._said_before(event)
                events.append(self._dated(event))
        return self._of_the_living(old) + events

    def _own(self, event: Event) -> list[Event]:
        return self._accept(self._seen_from_here(event))

    def _seen_from_here(self, event: Event) -> Event:
        """With the pids and in the time zone of this place: a container's log has others than the samples."""
        event = self._translate(event)
        if event.at is None:
            return event
        now = self._clock.now()
        at = choose_unstepped(event.at, now, self._clock.stepped_s())
        return dataclasses.replace(event, at=at.astimezone(now.tzinfo))

    def _dated(self, event: Event) -> Event:
        """Use the arrival time where it agrees with the stamp: it is finer."""
        arrival = self._clock.now()
        if event.at is None:
            return dataclasses.replace(event, at=arrival, resolution_s=self._poll_s)
        if event.resolution_s < STAMP_RESOLUTION_S:
            return event
        late_s = (arrival - event.at).total_seconds()
        if not -self._poll_s <= late_s <= AGREEMENT_S:
            return event
        latest = event.at + timedelta(seconds=JUST_BEFORE_NEXT_S)
        return dataclasses.replace(event, at=max(event.at, min(arrival, latest)), resolution_s=self._poll_s)

    def _of_the_living(self, events: Sequence[Event]) -> list[Event]:
        """Of the lines from before the observation: those of the workers and masters that live now."""
        if not events:
            return []
        boots, masters = self._boots(), self._masters()
        tolerance = timedelta(seconds=BOOT_TOLERANCE_S)
        kept: list[Event] = []
        for event in events:
            if isinstance(event, CollectionGap):
                if event.what == "log":
                    kept.append(event)
                continue
            if event.worker is not None:
                began = boots.get(event.worker.pid)
            elif isinstance(event, MasterStarted) or event.master_pid is not None:
                began = masters.get(event.master_pid or 0)
            else:
                continue
            if began is not None and event.at is not None and event.at >= began - tolerance:
                kept.append(event)
            elif began is None:
                self._hold_back(event)
        return kept

    def _hold_back(self, event: Event) -> None:
        """Keep an old line of a worker that is gone: its end may be logged only after the watch began."""
        if event.worker is None:
            return
        pid = event.worker.pid
        if isinstance(event, (WorkerBooted, WorkerExited, WorkerSignalled)):
            self._of_the_dead.pop(pid, None)
        if not isinstance(event, (WorkerExited, WorkerSignalled)):
            self._of_the_dead.setdefault(pid, []).append(event)
            if len(self._of_the_dead) > MAX_WORKERS_HELD:
                self._of_the_dead.pop(next(iter(self._of_the_dead)))

    def _said_before(self, event: Event) -> list[Event]:
        """What had been logged of a worker that ended as the watch began: a time-out, say, that explains its death."""
        if event.worker is None or event.worker.pid not in self._of_the_dead:
            return []
        earlier = self._of_the_dead.pop(event.worker.pid)
        return [] if isinstance(event, WorkerBooted) else earlier
