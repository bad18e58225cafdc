"""A recording cut to a window keeps what the window cannot be understood without, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from gtdiag.model import events
from gtdiag.model.events import Event
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.recording.window import cut_to_window

START = datetime(2026, 11, 24, 3, 0, tzinfo=timezone.utc)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def seen(cls: type[Event], seconds: float | None, pid: int | None = None, **more: Any) -> Event:
    worker = None if pid is None else WorkerId(pid, started_at_s=float(pid))
    moment = None if seconds is None else at(seconds)
    order = round((seconds or 0) * 10)
    return cls(origin=Origin("process"), at=moment, resolution_s=0.01, seq=order, worker=worker, **more)


def heartbeat(seconds: float, pid: int) -> Event:
    return seen(events.HeartbeatSample, seconds, pid, age_s=seconds, ever=False)


RECORDED = [
    seen(events.ObservationStarted, 0, kind="live"),
    seen(events.MasterSettings, 0, version="27.0.1", timeout_s=30.0),
    seen(events.CollectionGap, 0, what="log", why="it cannot be read"),
    seen(events.WorkerBooted, 1, 7),
    seen(events.WorkerBooted, 1, 8),
    heartbeat(2, 7),
    seen(events.StackSample, 2, 7, threads=()),
    heartbeat(5, 8),
    seen(events.WorkerTimedOut, 6, 7),
    seen(events.WorkerSignalled, 6, 7, signal="SIGKILL"),
    seen(events.CgroupSample, 7, limit_bytes=1, current_bytes=1, oom_kill=0),
    heartbeat(8, 8),
    seen(events.CgroupSample, 9, limit_bytes=1, current_bytes=1, oom_kill=0),
    # the window of the tests begins here, at 10
    seen(events.WorkerExited, 10.2, 7),
    heartbeat(11, 8),
    seen(events.StackSample, 12, 8, threads=()),
    seen(events.WorkerBooted, 13, 7),
    heartbeat(14, 7),
    seen(events.ObservationEnded, 20),
]


def cut(first: float | None, last: float | None, recorded: list[Event] = RECORDED) -> list[Event]:
    return list(cut_to_window(recorded, None if first is None else at(first), None if last is None else at(last)))


def told(recorded: list[Event]) -> list[tuple[str, float, int | None]]:
    return [
        (type(event).__name__, (event.at - START).total_seconds(), event.worker.pid if event.worker else None)
        for event in recorded
        if event.at is not None
    ]


def test_without_bounds_it_is_the_whole() -> None:
    assert cut(None, None) == RECORDED


def test_births_settings_and_the_latest_samples_come_along_and_the_dead_do_not() -> None:
    assert told(cut(10, None)) == [
        ("ObservationStarted", 10, None),
        ("MasterSettings", 0, None),
        ("CollectionGap", 0, None),
        ("WorkerBooted", 1, 8),
        ("HeartbeatSample", 8, 8),
        ("CgroupSample", 9, None),
        ("HeartbeatSample", 11, 8),
        ("StackSample", 12, 8),
        ("WorkerBooted", 13, 7),
        ("HeartbeatSample", 14, 7),
        ("ObservationEnded", 20, None),
    ]


def test_the_end_moves_to_the_end_of_the_window() -> None:
    kept = told(cut(None, 6.5))
    assert kept[-2:] == [("WorkerSignalled", 6, 7), ("ObservationEnded", 6.5, None)]


def test_a_window_that_ends_before_the_recording_breaks_off_has_its_end() -> None:
    assert told(cut(None, 6.5, RECORDED[:-1]))[-1] == ("ObservationEnded", 6.5, None)
    assert told(cut(None, None, RECORDED[:-1]))[-1] == ("HeartbeatSample", 14, 7)


def test_what_has_no_time_belongs_to_where_it_stands() -> None:
    loose = seen(events.WorkerProgressed, None, 8, step="imported")
    stack = seen(events.StackSample, None, 8, threads=())
    recorded = [*RECORDED[:6], loose, stack, *RECORDED[6:]]
    kept = cut(10, None, recorded)
    assert loose in kept
    assert stack not in kept


def test_a_line_of_the_log_may_have_been_written_until_its_second_was_over() -> None:
    line = events.WorkerTimedOut(origin=Origin("log"), at=at(10), resolution_s=1.0, seq=100, worker=WorkerId(8))
    assert line in cut(10.7, None, [*RECORDED[:13], line, *RECORDED[13:]])
    assert line in cut(11.0, None, [*RECORDED[:13], line, *RECORDED[13:]]), (
        "what is told of a worker that lives is kept"
    )
