"""What a watch shows while it runs: the interface of its views, and JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol, TextIO

from gtdiag.cli.errors import drop_output
from gtdiag.cli.patient_lines import PatientLines
from gtdiag.model.events import CollectionGap, Event
from gtdiag.model.identity import Origin
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.report import Report
from gtdiag.renderers.redaction import redact_text
from gtdiag.renderers.report_strings import map_strings


class WatchView(Protocol):
    """Shown each event as it happens, and the report as it stands, now and then."""

    @property
    def continuous(self) -> bool:
        """Whether it draws the report as it stands even where nothing has happened."""

    def open(self, on_quit: Callable[[], None]) -> None:
        """Begin to show. `on_quit`: what to call, from any thread, when the reader wants the watch to end."""

    def show_event(self, event: Event) -> None:
        """Take notice of an event."""

    def show_report(self, report: Report) -> None:
        """Take notice of what is known by now."""

    def show_incident(self, notice: IncidentNotice) -> None:
        """Take notice of an incident, or of what has become known of it."""

    def say_stopping(self) -> None:
        """Show that the watch ends; called in a signal handler, too."""

    def close(self) -> None:
        """Stop showing, and leave the terminal as it was."""


class JsonLines:
    """Each event as one JSON line, in the recording's own encoding, and each incident as one more.

    A reader that is slow or stops does not hold up the watch: what it does not take is left out, and a `CollectionGap`
    in the lines themselves says how many. Raises BrokenPipeError when nobody reads them any more.
    """

    continuous = False

    def __init__(self, stream: TextIO, *, redact: bool) -> None:
        self._stream = stream
        self._redact = redact
        self._patient: PatientLines | None = None
        self._latest: datetime | None = None

    def open(self, on_quit: Callable[[], None]) -> None:
        """Begin to write from a thread of its own, where the stream is a file, a pipe or a terminal."""
        try:
            descriptor = self._stream.fileno()
        except (OSError, AttributeError):  # a buffer in memory takes everything at once
            return
        self._stream.flush()
        self._patient = PatientLines(descriptor, self._say_dropped)

    def show_event(self, event: Event) -> None:
        """Write it."""
        from gtdiag.recording.codec import encode_event

        self._latest = event.at or self._latest
        if self._redact:
            event = map_strings(event, lambda _place, text: redact_text(text))
        self._write(encode_event(event))

    def show_report(self, report: Report) -> None:
        """Nothing: the report comes at the end."""

    def show_incident(self, notice: IncidentNotice) -> None:
        """Write it."""
        from gtdiag.renderers.incident_json import to_incident_json

        if self._redact:
            notice = map_strings(notice, lambda _place, text: redact_text(text))
        self._write(to_incident_json(notice))

    def _write(self, value: Mapping[str, object]) -> None:
        line = _json_line(value)
        try:
            if self._patient is not None:
                self._patient.write(line)
                return
            self._stream.write(line)
            self._stream.flush()
        except BrokenPipeError:
            drop_output(self._stream)  # this one alone: the report still has its own reader
            raise

    def _say_dropped(self, lines: int) -> str:
        from gtdiag.recording.codec import encode_event

        gap = CollectionGap(
            origin=Origin("json_events"),
            at=self._latest,
            seq=0,
            what="json_events",
            why=f"{lines:,} lines were left out here: the reader was too slow for them",
            hint="record them instead: gtdiag watch --record FILE",
        )
        return _json_line(encode_event(gap))

    def say_stopping(self) -> None:
        """Nothing: the end is an event."""

    def close(self) -> None:
        """Let the reader have the rest; one that takes none of it is not waited for."""
        if self._patient is not None and (lost := self._patient.close()):
            sys.stderr.write(f"gtdiag: the reader of --json-events did not take the last {lost:,} lines\n")


def _json_line(value: Mapping[str, object]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"
