from __future__ import annotations

from datetime import datetime, timedelta, timezone

from gtdiag.analysis.time_window import keep_window
from gtdiag.model.events import CollectionGap, Event, ObservationEnded, ObservationStarted, WorkerBooted
from gtdiag.model.identity import Origin, WorkerId

START = datetime(2025, 7, 22, 15, 0, tzinfo=timezone.utc)
LOG = Origin("log")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def log_of_an_hour() -> list[Event]:
    boots = [WorkerBooted(origin=LOG, at=at(minute), worker=WorkerId(minute)) for minute in range(0, 60, 10)]
    gap = CollectionGap(origin=LOG, what="log", why="damaged")
    return [ObservationStarted(origin=LOG, at=at(0), kind="log"), *boots, gap, ObservationEnded(origin=LOG, at=at(60))]


def pids(events: list[Event]) -> list[int]:
    return [event.worker.pid for event in events if event.worker is not None]


def test_the_last_minutes() -> None:
    found = list(keep_window(log_of_an_hour(), timedelta(minutes=25), None))
    assert pids(found) == [40, 50]
    assert found[0].at == at(35)
    assert found[-1].at == at(60)
    assert any(isinstance(event, CollectionGap) for event in found), "an event without a time is kept"


def test_all_but_the_last_minutes() -> None:
    found = list(keep_window(log_of_an_hour(), None, timedelta(minutes=25)))
    assert pids(found) == [0, 10, 20, 30]
    assert (found[0].at, found[-1].at) == (at(0), at(35))


def test_both_bounds() -> None:
    assert pids(list(keep_window(log_of_an_hour(), timedelta(minutes=45), timedelta(minutes=25)))) == [20, 30]


def test_more_than_there_is_is_all() -> None:
    assert list(keep_window(log_of_an_hour(), timedelta(days=1), None)) == log_of_an_hour()


def test_a_log_without_times_is_kept() -> None:
    events: list[Event] = [
        ObservationStarted(origin=LOG, kind="log"),
        WorkerBooted(origin=LOG, worker=WorkerId(7)),
        ObservationEnded(origin=LOG),
    ]
    assert list(keep_window(events, timedelta(minutes=1), timedelta(minutes=1))) == events
