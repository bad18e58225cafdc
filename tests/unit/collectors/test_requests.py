"""The age of a request from what its worker's memory keeps: a naive wall clock time, or a monotonic one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pytest

from gtdiag.collectors.requests import requests_in_flight

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=timezone.utc)
MONOTONIC_S = 5000.0


@dataclass(frozen=True)
class Seen:
    key: str = "a"
    method: str | None = "GET"
    path: str | None = "/"
    query: str | None = None
    client: str | None = None
    request_id: str | None = None
    started_local: datetime | None = None
    started_monotonic_s: float | None = None
    on_main_thread: bool = False


def age_s(**known: object) -> float | None:
    (request,) = requests_in_flight([Seen(**known)], NOW, MONOTONIC_S)  # type: ignore[arg-type]
    return request.age_s


@pytest.mark.parametrize("minutes_from_utc", [-570, -300, 0, 60, 345, 765])
def test_the_zone_of_the_worker_does_not_matter(minutes_from_utc: int) -> None:
    there = timezone(timedelta(minutes=minutes_from_utc))
    started = (NOW - timedelta(seconds=12.5)).astimezone(there).replace(tzinfo=None)
    assert age_s(started_local=started) == 12.5


def test_the_age_is_the_least_that_is_possible() -> None:
    assert age_s(started_local=datetime(2026, 5, 1, 11, 40)) == 300.0


def test_a_request_that_began_a_moment_after_now() -> None:
    assert age_s(started_local=datetime(2026, 5, 1, 12, 0, 0, 20000)) == 0.0
    assert age_s(started_monotonic_s=MONOTONIC_S + 0.02) == 0.0


def test_a_monotonic_start_is_exact() -> None:
    assert age_s(started_monotonic_s=MONOTONIC_S - 4000) == 4000.0
    assert age_s(started_monotonic_s=MONOTONIC_S + 100) is None


def test_no_start_no_age() -> None:
    assert age_s() is None


def test_the_longest_comes_first() -> None:
    seen = [Seen(key="new"), Seen(key="old", started_monotonic_s=1.0), Seen(key="young", started_monotonic_s=4000.0)]
    assert [request.key for request in requests_in_flight(seen, NOW, MONOTONIC_S)] == ["old", "young", "new"]
