"""A watch that lasts: what is kept of workers that came and went is bounded, and more tightly than of a log."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from gtdiag.analysis import Analysis, population
from gtdiag.analysis.cpu_time import CpuHistory
from gtdiag.model.events import (
    Event,
    HeartbeatSample,
    MasterSettings,
    ObservationStarted,
    ProcessSample,
    WorkerBooted,
    WorkerExited,
    WorkerExiting,
    WorkerReady,
    WorkerSignalled,
    WorkerTimedOut,
)
from gtdiag.model.identity import Origin, WorkerId

START = datetime(2026, 1, 5, tzinfo=timezone.utc)
SEEN, LOGGED = Origin("process"), Origin("log")
MOST, TROUBLED, FIRST, LATEST = 40, 60, 15, 10


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(population, "_MOST_LIVE", MOST)
    monkeypatch.setattr(population, "_MOST_TROUBLED_LIVE", TROUBLED)
    monkeypatch.setattr(population, "_FIRST_TROUBLED_LIVE", FIRST)
    monkeypatch.setattr(population, "_LATEST_LIVE", LATEST)


def watched() -> Analysis:
    analysis = Analysis()
    analysis.add(ObservationStarted(origin=SEEN, at=at(0), kind="live", pid=1, master_pid=1))
    analysis.add(MasterSettings(origin=SEEN, at=at(0), master_pid=1, version="23.0.0", timeout_s=30.0, workers=1))
    return analysis


def life_of(number: int) -> tuple[WorkerId, float, list[Event]]:
    """A worker that boots and serves, a minute after the one before it."""
    worker, begin = WorkerId(100 + number, started_at_s=float(number)), 60.0 * number
    return (
        worker,
        begin,
        [
            WorkerBooted(origin=SEEN, at=at(begin), resolution_s=0.02, worker=worker, master_pid=1),
            WorkerReady(origin=SEEN, at=at(begin + 1), resolution_s=0.01, worker=worker, master_pid=1),
        ],
    )


def test_workers_that_left_by_themselves_are_forgotten_though_only_their_log_says_so() -> None:
    analysis = watched()
    for number in range(300):
        worker, begin, events = life_of(number)
        events.append(WorkerExiting(origin=LOGGED, at=at(begin + 50), worker=worker, master_pid=1))
        events.append(WorkerExited(origin=SEEN, at=at(begin + 50), resolution_s=1.0, worker=worker, master_pid=1))
        for event in events:
            analysis.add(event)
    report = analysis.report()
    assert LATEST <= len(report.workers) <= MOST + LATEST
    assert report.workers[-1].pid == 399
    assert report.workers[-1].ordinal == 300, "numbered as if all were there"
    assert not report.incidents and not report.gaps


def test_of_those_with_trouble_the_first_and_the_latest_are_kept() -> None:
    analysis = watched()
    for number in range(300):
        worker, begin, events = life_of(number)
        events.append(WorkerTimedOut(origin=LOGGED, at=at(begin + 40), worker=worker, master_pid=1))
        events.append(WorkerSignalled(origin=LOGGED, at=at(begin + 41), worker=worker, master_pid=1, signal="SIGKILL"))
        for event in events:
            analysis.add(event)
    report = analysis.report()
    pids = [incident.pid for incident in report.incidents]
    assert pids[:FIRST] == list(range(100, 100 + FIRST)) and pids[-1] == 399
    assert len(pids) <= TROUBLED + LATEST
    assert "300 workers that had trouble" in report.verdict.summary


def test_who_runs_is_never_forgotten() -> None:
    analysis = watched()
    for number in range(300):
        for event in life_of(number)[2]:
            analysis.add(event)
    assert len(analysis.report().workers) == 300


def test_the_times_of_a_main_thread_are_kept_from_its_last_heartbeat_on() -> None:
    analysis = watched()
    worker, _, events = life_of(0)
    for second in range(2, 600):
        events.append(
            HeartbeatSample(
                origin=SEEN, at=at(second), resolution_s=0.01, worker=worker, master_pid=1, age_s=0.5, ever=True
            )
        )
        events.append(
            ProcessSample(
                origin=SEEN,
                at=at(second),
                resolution_s=0.01,
                worker=worker,
                master_pid=1,
                rss_bytes=1,
                main_thread_ran_s=second / 2,
                main_thread_waited_s=second / 4,
            )
        )
    for event in events:
        analysis.add(event)
    [life] = analysis._fold.population.workers
    assert len(life.cpu._points) <= 4
    since = life.cpu_since_last_heartbeat()
    assert since is None or since.seconds <= 2


def test_what_was_forgotten_changes_nothing_that_came_after_it() -> None:
    whole, cut = CpuHistory(), CpuHistory()
    for second in range(20):
        for history in (whole, cut):
            history.add(at(second), second / 2, second / 4)
    cut.forget_before(at(9.5))
    assert cut.between(at(10), at(19)) == whole.between(at(10), at(19))
    assert cut.between(at(0), at(10)) is None
    cut.forget_before(at(100))
    assert cut.between(at(0), at(100)) is None
