"""Requests as an interpreter's memory shows them to requests with an age, the longest first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Protocol

from gtdiag.model.requests import RequestInFlight

ZONE_STEP_S = 900.0
"""Every zone in use is a multiple of 15 minutes away from UTC (IANA time zone database, since 1986)."""

CLOCK_SLACK_S = 1.0
LONGEST_AGE_S = 10 * 366 * 86400.0


class SeenRequest(Protocol):
    """The part of `gtdiag.interpreter.RequestSeen` that is needed here."""

    @property
    def key(self) -> str:
        """Tells it from the worker's other requests."""

    @property
    def method(self) -> str | None:
        """HTTP method."""

    @property
    def path(self) -> str | None:
        """Raw path."""

    @property
    def query(self) -> str | None:
        """Query, its values masked."""

    @property
    def client(self) -> str | None:
        """The peer's address."""

    @property
    def request_id(self) -> str | None:
        """What the request is called elsewhere."""

    @property
    def started_local(self) -> datetime | None:
        """When it began on the worker's wall clock, naive."""

    @property
    def started_monotonic_s(self) -> float | None:
        """When it began on CLOCK_MONOTONIC."""

    @property
    def on_main_thread(self) -> bool:
        """Whether the main thread runs it."""


def requests_in_flight(seen: Iterable[SeenRequest], now: datetime, monotonic_s: float) -> tuple[RequestInFlight, ...]:
    """Give each request the age its worker's memory tells, and put the longest first."""
    requests = [
        RequestInFlight(
            key=request.key,
            method=request.method,
            path=request.path,
            query=request.query,
            client=request.client,
            request_id=request.request_id,
            age_s=_age_s(request, now, monotonic_s),
            on_main_thread=request.on_main_thread,
        )
        for request in seen
    ]
    return tuple(sorted(requests, key=lambda request: -(request.age_s or 0.0)))


def _age_s(request: SeenRequest, now: datetime, monotonic_s: float) -> float | None:
    """For at least how long it has been handled.

    The WSGI workers keep a wall clock time without its zone, and an application may set a zone of its own (Django
    does): what is certain is the age but for whole quarters of an hour, so the smallest one is taken.
    """
    if request.started_monotonic_s is not None:
        age_s = monotonic_s - request.started_monotonic_s
        return round(max(age_s, 0.0), 3) if -CLOCK_SLACK_S <= age_s <= LONGEST_AGE_S else None
    if request.started_local is not None:
        now_utc = now.astimezone(timezone.utc).replace(tzinfo=None)
        rest_s = (now_utc - request.started_local).total_seconds() % ZONE_STEP_S
        return 0.0 if rest_s > ZONE_STEP_S - CLOCK_SLACK_S else round(rest_s, 3)
    return None
