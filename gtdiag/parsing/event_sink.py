"""What was read to events: numbered, with their place in the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gtdiag.model.events import CollectionGap, Event
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.parsing.timestamps import Stamp


class EventSink:
    """Collects the events of one log until they are drained.

    `seq`: shared by all files of one stream of events. `replica`: stands in front of what the lines call the stream.
    """

    def __init__(self, file: str | None, seq: Iterator[int], replica: str = "") -> None:
        self._file = file
        self._seq = seq
        self._replica = replica
        self._events: list[Event] = []
        self._naive_reported = False

    def drain(self) -> list[Event]:
        """The events since the last call."""
        drained, self._events = self._events, []
        return drained

    def emit(
        self,
        event: type[Event],
        stamp: Stamp | None,
        stream: str,
        line_number: int,
        *,
        worker: WorkerId | None = None,
        master_pid: int | None = None,
        **values: Any,
    ) -> None:
        """Make an event; the first with a stamp that names no offset is preceded by a CollectionGap that says so."""
        if stamp is not None and stamp.naive and not self._naive_reported:
            self._report_naive(stamp, stream, line_number)
        replica = f"{self._replica}: {stream}" if self._replica and stream else self._replica or stream
        self._events.append(
            event(
                origin=Origin(source="log", file=self._file, line=line_number, stream=replica),
                at=stamp.at if stamp is not None else None,
                resolution_s=stamp.resolution_s if stamp is not None else 1.0,
                seq=next(self._seq),
                worker=worker,
                master_pid=master_pid,
                **values,
            )
        )

    def _report_naive(self, stamp: Stamp, stream: str, line_number: int) -> None:
        """Say once that times are read as UTC because the log does not say otherwise."""
        self._naive_reported = True
        self.emit(
            CollectionGap,
            replace(stamp, naive=False),
            stream,
            line_number,
            what="time_stamps",
            why="the time stamps have no offset from UTC; they are read as UTC",
            hint="times across files and time zones may be off; gunicorn 19.2 and later log the offset by default",
        )

    def report_repeated_hour(self, stamp: Stamp | None, stream: str, line_number: int) -> None:
        """Say that the stamps begin again an hour earlier, and how they are read."""
        self.emit(
            CollectionGap,
            stamp,
            stream,
            line_number,
            what="time_stamps",
            why="the time stamps, which have no offset from UTC, go back as at the end of daylight saving time: those "
            "after that are read as an hour later (-01:00)",
            hint="log with an offset: gunicorn's own format has one",
        )
