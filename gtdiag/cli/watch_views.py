"""What a watch shows while it runs: a live window, plain lines, or JSON lines."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Protocol, TextIO

from gtdiag.cli.errors import drop_output
from gtdiag.cli.terminal import is_ascii_only, wants_colour
from gtdiag.model.events import Event
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.report import Report
from gtdiag.renderers.event_lines import render_blocked_line, render_event_line, render_incident_line
from gtdiag.renderers.redaction import redact_text
from gtdiag.renderers.report_strings import map_strings

KEPT_LINES = 50
REMEMBERED = 10_000
"""From so many remembered lines on, those of workers that the report has forgotten are forgotten, too."""
REFRESH_PER_S = 1
"""Drawn by rich's own thread, so that the view follows the window between two looks; each time costs some ms."""
FIRST_WORDS_AFTER_S = 1.0
"""A worker of a healthy server is now and then in some call at the moment it is looked at; that is no news."""


class WatchView(Protocol):
    """Shown each event as it happens, and the report as it stands, now and then."""

    def show_event(self, event: Event) -> None:
        """Take notice of an event."""

    def show_report(self, report: Report) -> None:
        """Take notice of what is known by now."""

    def show_incident(self, notice: IncidentNotice) -> None:
        """Take notice of an incident, or of what has become known of it."""

    def close(self) -> None:
        """Stop showing, and leave the terminal as it was."""


class JsonLines:
    """Each event as one JSON line, in the recording's own encoding, and each incident as one more.

    Raises BrokenPipeError when nobody reads them any more.
    """

    def __init__(self, stream: TextIO, *, redact: bool) -> None:
        self._stream = stream
        self._redact = redact

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

    def close(self) -> None:
        """Nothing to close."""


class EventLog:
    """Turns events and reports into the lines worth reading, each of them once."""

    def __init__(self, write_line: Callable[[str], None], *, ascii_only: bool, redact: bool) -> None:
        self._write_line = write_line
        self._ascii = ascii_only
        self._redact = redact
        self._said: set[tuple[int, int, str | None]] = set()
        self._latest_time = "--:--:--"
        self._latest_words: dict[int, str] = {}

    def show_event(self, event: Event) -> None:
        """Write the event's line, if it has one."""
        if event.at is not None:
            self._latest_time = event.at.strftime("%H:%M:%S")
        line = render_event_line(event, ascii=self._ascii, redact=self._redact)
        if line is None:
            return
        # What is seen live is said again by the log, a moment later and with a time of its own.
        about = event.worker.pid if event.worker is not None else None
        words = line.partition(" ")[2]
        if about is None or self._latest_words.get(about) != words:
            self._write_line(line)
        if about is not None:
            self._latest_words[about] = words

    def show_report(self, report: Report) -> None:
        """Write what has become known: the call a worker is blocked in."""
        self._forget_the_gone(report)
        for worker in report.workers:
            blocked = worker.blocked
            if blocked is None or (blocked.seconds or 0.0) < FIRST_WORDS_AFTER_S:
                continue
            key = (worker.pid, worker.ordinal, blocked.call or blocked.library_call)
            if key not in self._said:
                self._said.add(key)
                self._write_line(render_blocked_line(worker, self._latest_time, ascii=self._ascii, redact=self._redact))

    def _forget_the_gone(self, report: Report) -> None:
        if len(self._said) <= REMEMBERED and len(self._latest_words) <= REMEMBERED:
            return
        known = {(worker.pid, worker.ordinal) for worker in report.workers}
        pids = {pid for pid, _ordinal in known}
        self._said = {said for said in self._said if said[:2] in known}
        self._latest_words = {pid: words for pid, words in self._latest_words.items() if pid in pids}

    def show_incident(self, notice: IncidentNotice) -> None:
        """Write the incident's line."""
        self._write_line(render_incident_line(notice, ascii=self._ascii, redact=self._redact))


class PlainLines:
    """One line for each notable event, on standard error."""

    def __init__(self, stream: TextIO, *, redact: bool) -> None:
        self._stream = stream
        self._log = EventLog(self._write, ascii_only=is_ascii_only(stream), redact=redact)

    def show_event(self, event: Event) -> None:
        """Write its line."""
        self._log.show_event(event)

    def show_report(self, report: Report) -> None:
        """Write what has become known."""
        self._log.show_report(report)

    def show_incident(self, notice: IncidentNotice) -> None:
        """Write its line."""
        self._log.show_incident(notice)

    def close(self) -> None:
        """Nothing to close."""

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError):  # progress nobody reads is no reason to stop watching
            self._stream.write(line + "\n")
            self._stream.flush()


class LiveWindow:
    """The live view, on the terminal's other screen: when it closes, the terminal is as it was."""

    def __init__(self, stream: TextIO, *, redact: bool) -> None:
        from rich.console import Console
        from rich.live import Live

        from gtdiag.renderers.live_view import LiveScreen, select_for_live
        from gtdiag.renderers.redaction import redact_report

        self._select = select_for_live
        self._redact_report = redact_report if redact else None
        self._screen = LiveScreen(ascii=is_ascii_only(stream))
        self._log = EventLog(self._remember, ascii_only=is_ascii_only(stream), redact=redact)
        console = Console(file=stream, no_color=not wants_colour(stream), highlight=False, markup=False, emoji=False)
        self._live = Live(self._screen, console=console, screen=True, refresh_per_second=REFRESH_PER_S)
        self._live.start()

    def show_event(self, event: Event) -> None:
        """Add its line to the latest events."""
        self._log.show_event(event)

    def show_report(self, report: Report) -> None:
        """Draw the workers as they are now."""
        shown = self._select(report)
        if self._redact_report is not None:
            shown = self._redact_report(shown)
        self._log.show_report(shown)
        self._screen.report = shown

    def show_incident(self, notice: IncidentNotice) -> None:
        """Add its line to the latest events."""
        self._log.show_incident(notice)

    def say_stopping(self) -> None:
        """Show that the watch ends."""
        self._screen.notice = "ending ..., Ctrl-C again quits at once"

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()

    def _remember(self, line: str) -> None:
        self._screen.recent_events = [*self._screen.recent_events[-KEPT_LINES:], line]
