"""What a watch shows while it runs: the interface of its views, and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Protocol, TextIO

from gtdiag.cli.errors import drop_output
from gtdiag.model.events import Event
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.report import Report
from gtdiag.renderers.redaction import redact_text
from gtdiag.renderers.report_strings import map_strings


class WatchView(Protocol):
    """Shown each event as it happens, and the report as it stands, now and then."""

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

    Raises BrokenPipeError when nobody reads them any more.
    """

    def __init__(self, stream: TextIO, *, redact: bool) -> None:
        self._stream = stream
        self._redact = redact

    def open(self, on_quit: Callable[[], None]) -> None:
        """Nothing to open."""

    def show_event(self, event: Event) -> None:
        """Write it."""
        from gtdiag.recording.codec import encode_event

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
        try:
            # One write and one flush for a line: a reader never waits for the rest of one.
            self._stream.write(json.dumps(value, separators=(",", ":")) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            drop_output(self._stream)  # this one alone: the report still has its own reader
            raise

    def say_stopping(self) -> None:
        """Nothing: the end is an event."""

    def close(self) -> None:
        """Nothing to close."""
