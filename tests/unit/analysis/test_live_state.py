"""Who needs attention first, what the top line says, and that rows do not jump."""

from __future__ import annotations

import dataclasses

import pytest

from gtdiag.analysis.live_state import LiveTracker
from gtdiag.model import events
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.model.live_state import Attention, LiveState, Severity
from gtdiag.model.report import GunicornFacts, Phase, Report, Verdict, Worker, WorkerEnd
from tests.unit.analysis.story import moment
from tests.unit.renderers import sample_reports

NOTHING = sample_reports.nothing_found()
HELD = sample_reports.blocked_in_database(12.0)
HEALTHY = dataclasses.replace(
    NOTHING.workers[0],
    phase=Phase.SERVING,
    end=WorkerEnd.RUNNING,
    ended_at=None,
    heartbeat_age_s=0.4,
    first_heartbeat_seen=True,
    blocked=None,
)


def worker(pid: int, **changes: object) -> Worker:
    return dataclasses.replace(HEALTHY, pid=pid, ordinal=pid, **changes)  # type: ignore[arg-type]


def report(*workers: Worker, version: str = "21.2.0", timeout_s: float | None = 30.0) -> Report:
    facts = GunicornFacts(version=version, master_pid=1, workers=len(workers), timeout_s=timeout_s)
    return dataclasses.replace(NOTHING, gunicorn=facts, workers=workers, masters=(), incidents=(), patterns=(), gaps=())


def drawn(*workers: Worker, version: str = "21.2.0", timeout_s: float | None = 30.0) -> LiveState:
    return LiveTracker().draw(report(*workers, version=version, timeout_s=timeout_s))


@pytest.mark.parametrize(
    ("changes", "version", "timeout_s", "attention"),
    [
        ({}, "27.0.1", 30.0, Attention.HEALTHY),
        ({"heartbeat_age_s": 15.4}, "27.0.1", 30.0, Attention.HEALTHY),  # sync beats each half of the time-out
        ({"heartbeat_age_s": 18.1}, "27.0.1", 30.0, Attention.KILL),
        ({"heartbeat_age_s": 16.5, "blocked": HELD}, "27.0.1", 30.0, Attention.KILL),
        ({"heartbeat_age_s": 2000.0}, "27.0.1", 0.0, Attention.HEALTHY),  # no time-out, nothing that holds it
        ({"heartbeat_age_s": 20.0, "blocked": HELD}, "27.0.1", 0.0, Attention.STUCK),
        ({"heartbeat_age_s": 3.0, "first_heartbeat_seen": False}, "27.0.1", 30.0, Attention.STARTING),
        ({"heartbeat_age_s": 3.0, "first_heartbeat_seen": False, "blocked": HELD}, "27.0.1", 30.0, Attention.STARTING),
        ({"heartbeat_age_s": 12.0, "first_heartbeat_seen": False, "blocked": HELD}, "27.0.1", 30.0, Attention.STUCK),
        ({"heartbeat_age_s": 12.0, "first_heartbeat_seen": False, "blocked": HELD}, "21.2.0", 30.0, Attention.KILL),
        ({"heartbeat_age_s": 31.0, "first_heartbeat_seen": False}, "27.0.1", 30.0, Attention.STUCK),
        ({"heartbeat_age_s": None, "first_heartbeat_seen": None}, "27.0.1", 30.0, Attention.UNSEEN),
        ({"heartbeat_age_s": None, "first_heartbeat_seen": None, "blocked": HELD}, "27.0.1", 30.0, Attention.STUCK),
        ({"end": WorkerEnd.TIMEOUT, "phase": Phase.EXITED}, "27.0.1", 30.0, Attention.DEAD),
        ({"end": WorkerEnd.EXIT, "end_code": 0, "phase": Phase.EXITED}, "27.0.1", 30.0, Attention.ENDED),
        ({"end": WorkerEnd.EXIT, "end_code": 3, "phase": Phase.EXITED}, "27.0.1", 30.0, Attention.DEAD),
    ],
)
def test_attention(changes: dict[str, object], version: str, timeout_s: float, attention: Attention) -> None:
    if changes.get("first_heartbeat_seen", True) is not True:
        changes = {"phase": Phase.STARTUP, **changes}
    state = drawn(worker(7, **changes), version=version, timeout_s=timeout_s)
    assert state.workers[0].attention is attention


def one_of_each() -> tuple[Worker, ...]:
    starting = {"phase": Phase.STARTUP, "first_heartbeat_seen": False}
    return (
        worker(1),
        worker(2, end=WorkerEnd.EXIT, end_code=0, ended_at=moment(5)),
        worker(3, heartbeat_age_s=2.0, **starting),
        worker(4, end=WorkerEnd.TIMEOUT, ended_at=moment(1)),
        worker(5, end=WorkerEnd.TIMEOUT, ended_at=moment(9)),
        worker(6, heartbeat_age_s=20.0, blocked=HELD),
        worker(7, heartbeat_age_s=29.0, blocked=HELD),
        worker(8, heartbeat_age_s=None, first_heartbeat_seen=None),
    )


def test_the_closest_to_its_kill_comes_first_then_the_dead_then_the_healthy() -> None:
    tracker = LiveTracker()
    for pid, age_s in ((6, 20.0), (7, 29.0)):
        tracker.add(beat(pid, at=100.0, age_s=age_s))
    state = tracker.draw(report(*one_of_each()))
    assert [one.worker.pid for one in state.workers] == [7, 6, 5, 4, 8, 3, 1, 2]
    assert [one.kill_in_s for one in state.workers[:3]] == [1.0, 10.0, None]


def beat(pid: int, at: float, age_s: float, *, ever: bool = True) -> events.HeartbeatSample:
    return events.HeartbeatSample(
        origin=Origin("heartbeat"), at=moment(at), worker=WorkerId(pid, started_at_s=1.0), age_s=age_s, ever=ever
    )


def test_rows_keep_their_places_while_the_samples_jitter() -> None:
    tracker = LiveTracker()
    orders = set()
    for second in range(6):
        for pid in range(1, 41):
            # All stopped at the same moment; each sample is some ms off, in another way each time.
            jitter_s = ((pid * 7 + second * 13) % 10) / 1000
            tracker.add(beat(pid, at=100.0 + second, age_s=20.0 + second + jitter_s))
        stuck = [worker(pid, heartbeat_age_s=20.0, blocked=HELD) for pid in range(1, 41)]
        orders.add(tuple(one.worker.pid for one in tracker.draw(report(*stuck)).workers))
    assert len(orders) == 1


def test_a_beat_moves_a_worker_away_from_its_kill() -> None:
    tracker = LiveTracker()
    tracker.add(beat(7, at=100.0, age_s=29.0))
    [before] = tracker.draw(report(worker(7, heartbeat_age_s=29.0, blocked=HELD))).workers
    tracker.add(beat(7, at=101.0, age_s=0.2))
    [after] = tracker.draw(report(worker(7, heartbeat_age_s=0.2))).workers
    assert (before.attention, after.attention) == (Attention.KILL, Attention.HEALTHY)
    assert (before.kill_in_s, after.kill_in_s) == (1.0, None)


@pytest.mark.parametrize(
    ("workers", "version", "headline", "severity"),
    [
        ((worker(1), worker(2)), "27.0.1", "All 2 workers are healthy.", Severity.FINE),
        ((worker(1),), "27.0.1", "The worker is healthy.", Severity.FINE),
        (
            (worker(1), worker(7, heartbeat_age_s=26.0, blocked=HELD)),
            "27.0.1",
            "Worker 7 is killed in 4 s unless it beats: in verify_database_migrations for 12 s.",
            Severity.ALARM,
        ),
        (
            (worker(7, heartbeat_age_s=26.0),),
            "27.0.1",
            "Worker 7 is killed in 4 s unless it beats: what it is in is not known yet.",
            Severity.ALARM,
        ),
        (
            tuple(
                worker(n, phase=Phase.STARTUP, first_heartbeat_seen=False, heartbeat_age_s=40.0, blocked=HELD)
                for n in (1, 2)
            ),
            "27.0.1",
            "2 of 2 workers are stuck in verify_database_migrations for 12 s; gunicorn will not kill them.",
            Severity.ALARM,
        ),
        ((worker(1, end=WorkerEnd.TIMEOUT),), "27.0.1", "No worker is running (expected: 1).", Severity.ALARM),
        ((), "27.0.1", "No worker is running.", Severity.ALARM),
        (
            (worker(1), worker(3, phase=Phase.STARTUP, first_heartbeat_seen=False, heartbeat_age_s=2.0)),
            "27.0.1",
            "1 of 2 workers ready; 1 starting up, the longest for 2 s.",
            Severity.FINE,
        ),
        (
            (worker(1, heartbeat_age_s=None, first_heartbeat_seen=None),),
            "27.0.1",
            "1 of 1 worker is running, heartbeats not seen: a hang may not show (u: why).",
            Severity.WARNING,
        ),
    ],
)
def test_the_sentence_on_top(workers: tuple[Worker, ...], version: str, headline: str, severity: Severity) -> None:
    state = drawn(*workers, version=version)
    assert (state.headline, state.severity) == (headline, severity)


def test_a_version_that_is_not_known_promises_nothing_about_a_kill() -> None:
    stuck = worker(7, phase=Phase.STARTUP, first_heartbeat_seen=False, heartbeat_age_s=40.0, blocked=HELD)
    unknown = dataclasses.replace(report(stuck), gunicorn=GunicornFacts(workers=1, timeout_s=30.0))
    assert "kill" not in LiveTracker().draw(unknown).headline


def test_old_ends_are_counted() -> None:
    dead = [worker(n, end=WorkerEnd.TIMEOUT, ended_at=moment(n)) for n in range(100, 130)]
    assert drawn(worker(1), *dead).earlier_ends == 0, "one generation is never cut"
    base = report(worker(1), *dead)
    few = dataclasses.replace(base, gunicorn=dataclasses.replace(base.gunicorn, workers=4))
    state = LiveTracker().draw(few)
    shown = [one.worker.pid for one in state.workers]
    assert state.earlier_ends == 20
    assert shown == [*range(129, 119, -1), 1]


def test_a_worker_in_a_call_has_what_to_do_about_it() -> None:
    state = drawn(worker(7, heartbeat_age_s=26.0, blocked=HELD))
    [one] = state.workers
    assert one.remedy is not None
    assert "verify_database_migrations" in one.remedy.why or one.remedy.title


def test_the_lag_of_the_log() -> None:
    tracker = LiveTracker()
    base = dataclasses.replace(NOTHING, source=dataclasses.replace(NOTHING.source, files=("gunicorn.log",)))
    tracker.add(events.ObservationStarted(origin=Origin("master"), at=moment(100), kind="live"))
    tracker.add(events.WorkerBooted(origin=Origin("log"), at=moment(50)))
    assert tracker.draw(base).log.lag_s is None, "a line of before the watch is not late"
    tracker.add(beat(7, at=130, age_s=0.1))
    tracker.add(events.WorkerReady(origin=Origin("log"), at=moment(110)))
    assert tracker.draw(base).log.lag_s == 20.0


def test_nothing_found_says_nothing_twice() -> None:
    healthy = dataclasses.replace(report(worker(1)), verdict=Verdict("Nothing found.", NOTHING.verdict.confidence))
    assert LiveTracker().draw(healthy).verdict is None
