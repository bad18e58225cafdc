"""The probes of a health endpoint to what a report says of it: answers, latency, outages, the first answer."""

from __future__ import annotations

from datetime import datetime, timedelta

from gtdiag.model.events import HealthSample
from gtdiag.model.report import Health, HealthOutage

_MAX_LATENCIES = 20_000
_MAX_OUTAGES = 100
_UP_BEFORE_S = 5.0
"""A server that answers the first probe, this long after its start or more, was up before anybody asked."""


class HealthTally:
    """Memory does not grow with the length of the watch."""

    def __init__(self) -> None:
        self._url: str | None = None
        self._probes = 0
        self._answered = 0
        self._latencies_s: list[float] = []
        self._every = 1
        self._worst_s: float | None = None
        self._first_at: datetime | None = None
        self._first_answer_at: datetime | None = None
        self._outages: list[HealthOutage] = []
        self._failing = False

    def add(self, event: HealthSample) -> None:
        """Count one probe."""
        self._url = event.url
        self._probes += 1
        self._first_at = self._first_at or event.at
        if event.status is None or event.status >= 400:
            self._add_failure(event)
            return
        self._failing = False
        self._answered += 1
        self._worst_s = max(self._worst_s or 0.0, event.latency_s)
        if self._first_answer_at is None and event.at is not None:
            self._first_answer_at = event.at + timedelta(seconds=event.latency_s)
        if self._answered % self._every == 0:
            self._latencies_s.append(event.latency_s)
        if len(self._latencies_s) > _MAX_LATENCIES:
            self._latencies_s, self._every = self._latencies_s[::2], self._every * 2

    def _add_failure(self, event: HealthSample) -> None:
        words = event.error or f"status {event.status}"
        last = self._outages[-1] if self._failing and self._outages else None
        if last is not None:
            self._outages[-1] = HealthOutage(last.start, event.at, last.probes + 1, words)
        elif len(self._outages) < _MAX_OUTAGES:
            self._outages.append(HealthOutage(event.at, event.at, 1, words))
        self._failing = True

    def conclude(self, started_at: datetime | None) -> Health | None:
        """What is known by now; None where nobody asked. `started_at`: the master's start."""
        if self._url is None:
            return None
        from statistics import median  # with it come fractions and decimals: only where somebody asked

        return Health(
            url=self._url,
            probes=self._probes,
            answered=self._answered,
            median_latency_s=round(median(self._latencies_s), 4) if self._latencies_s else None,
            worst_latency_s=self._worst_s,
            first_answer_after_s=self._first_answer_after_s(started_at),
            outages=tuple(self._outages),
        )

    def _first_answer_after_s(self, started_at: datetime | None) -> float | None:
        if started_at is None or self._first_answer_at is None or self._first_at is None:
            return None
        at_once = not self._outages or (self._outages[0].start or self._first_at) > self._first_answer_at
        if at_once and (self._first_at - started_at).total_seconds() > _UP_BEFORE_S:
            return None
        return round(max(0.0, (self._first_answer_at - started_at).total_seconds()), 3)
