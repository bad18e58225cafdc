"""Events, reports and incidents to the plain lines worth reading, each of them once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import TextIO

from gtdiag.cli.terminal import is_ascii_only
from gtdiag.model.events import SAMPLES, Event
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.report import Report
from gtdiag.renderers import phrases
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.event_lines import render_blocked_line, render_event_line, render_incident_line

REMEMBERED = 10_000
"""From so many remembered lines on, those of workers that the report has forgotten are forgotten, too."""
FIRST_WORDS_AFTER_S = 1.0
"""A worker of a healthy server is now and then in some call at the moment it is looked at; that is no news."""


class EventLog:
    """Turns events and reports into the lines worth reading, each of them once."""

    def __init__(self, write_line: Callable[[str], None], *, ascii_only: bool, redact: bool) -> None:
        self._write_line = write_line
        self._ascii = ascii_only
        self._redact = redact
        self._said: set[tuple[int, int, str | None]] = set()
        self._latest_at: datetime | None = None
        self._latest_words: dict[int, str] = {}

    def show_event(self, event: Event) -> None:
        """Write the event's line, if it has one."""
        self._latest_at = event.at or self._latest_at
        if isinstance(event, SAMPLES):
            return  # nearly all of them
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
                at = phrases.say_time(self._latest_at, unknown="--:--:--")
                self._write_line(render_blocked_line(worker, at, ascii=self._ascii, redact=self._redact))

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

    continuous = False

    def __init__(self, stream: TextIO, *, redact: bool) -> None:
        self._stream = stream
        self._log = EventLog(self._write, ascii_only=is_ascii_only(stream), redact=redact)

    def open(self, on_quit: Callable[[], None]) -> None:
        """Nothing to open."""

    def show_event(self, event: Event) -> None:
        """Write its line."""
        self._log.show_event(event)

    def show_report(self, report: Report) -> None:
        """Write what has become known."""
        self._log.show_report(report)

    def show_incident(self, notice: IncidentNotice) -> None:
        """Write its line."""
        self._log.show_incident(notice)

    def say(self, words: str) -> None:
        """Write a line of gtdiag's own."""
        self._write(f"gtdiag: {escape_text(words)}")

    def say_stopping(self) -> None:
        """Nothing: the end is an event."""

    def close(self) -> None:
        """Nothing to close."""

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError):  # progress nobody reads is no reason to stop watching
            self._stream.write(line + "\n")
            self._stream.flush()
