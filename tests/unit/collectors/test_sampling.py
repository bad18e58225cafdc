"""Which workers deserve a deep look: the policy as a table, and over the course of a whole hang."""

from __future__ import annotations

import itertools

import pytest

from gtdiag.collectors.sampling import (
    BURST_LOOKS,
    LONGEST_PAUSE_S,
    LookBudget,
    LookReason,
    Thresholds,
    WorkerView,
    pause_s,
    reason_to_look,
    thresholds_for,
)

NO_DEADLINE = Thresholds(stale_after_s=2.5, last_chances_s=())
THIRTY = thresholds_for(30, "gthread")


@pytest.mark.parametrize(
    ("case", "view", "reason"),
    [
        ("young start-up", WorkerView(0.9, False), None),
        ("start-up over a second", WorkerView(1.0, False), LookReason.STARTUP),
        ("serving, fresh beat", WorkerView(1.0, True), None),
        ("serving, stale beat", WorkerView(2.6, True), LookReason.STALE),
        ("stale, but a look is under way", WorkerView(9.0, True, looking=True), None),
        ("stale, looked at just now", WorkerView(9.0, True, since_look_s=0.5), None),
        ("stale, pause over", WorkerView(9.0, True, since_look_s=1.0), LookReason.STALE),
        ("stale, nothing new for long", WorkerView(9.0, True, since_look_s=1.0, unchanged=3), None),
        ("no heartbeat to be read", WorkerView(None, None), LookReason.BLIND),
        ("no heartbeat, looked at before", WorkerView(None, None, since_look_s=1.0), None),
        ("no heartbeat, looked at long ago", WorkerView(None, None, since_look_s=6.0), LookReason.BLIND),
    ],
)
def test_reasons(case: str, view: WorkerView, reason: LookReason | None) -> None:
    assert reason_to_look(view, NO_DEADLINE) is reason, case


@pytest.mark.parametrize(
    ("age_s", "since_look_s", "due"),
    [
        (26.9, 1.0, False),
        (27.0, 0.5, True),  # 90 %, not yet looked at since
        (28.0, 0.5, False),  # that look was after the 90 % mark
        (29.0, 0.5, True),  # a second before the end, whatever was seen at 90 %
        (29.5, 0.2, False),
    ],
)
def test_last_chances(age_s: float, since_look_s: float, due: bool) -> None:
    view = WorkerView(age_s, True, since_look_s=since_look_s, unchanged=9)
    assert (reason_to_look(view, THIRTY) is LookReason.LAST_CHANCE) is due


@pytest.mark.parametrize(
    ("timeout_s", "worker_class", "stale_s"),
    [
        (30, "gthread", 2.5),
        (30, "gevent", 2.5),
        (30, "sync", 17.0),
        (30, "uvicorn_worker.UvicornWorker", 17.0),
        (30, "our.own.Worker", 17.0),
        (30, None, 17.0),
        (3, "sync", 2.25),
        (3, "gthread", 2.25),
        (0, "sync", 2.5),
        (None, "sync", 17.0),
    ],
)
def test_stale_is_later_than_a_healthy_beat(timeout_s: float | None, worker_class: str | None, stale_s: float) -> None:
    assert thresholds_for(timeout_s, worker_class).stale_after_s == pytest.approx(stale_s)


def test_no_deadline_without_a_timeout() -> None:
    assert thresholds_for(0, "sync").last_chances_s == ()


@pytest.mark.parametrize("timeout_s", [3, 4, 5, 10, 30, 120, 600])
@pytest.mark.parametrize("ever", [True, False])
def test_every_hang_is_seen_shortly_before_its_end(timeout_s: float, ever: bool) -> None:
    looks = looks_of_a_hang(timeout_s, ever)
    assert looks, "never looked"
    assert timeout_s - looks[-1] <= max(1.0, 0.1 * timeout_s)
    assert len(looks) >= 2
    assert max(b - a for a, b in itertools.pairwise(looks)) <= LONGEST_PAUSE_S + 0.3


def test_a_short_timeout_gets_as_many_looks_as_it_can() -> None:
    assert len(looks_of_a_hang(3, ever=False)) >= 5
    assert len(looks_of_a_hang(5, ever=False)) >= 6
    assert len(looks_of_a_hang(30, ever=False)) >= 8
    assert len(looks_of_a_hang(600, ever=False)) <= 130


def looks_of_a_hang(timeout_s: float, ever: bool) -> list[float]:
    """The ages at which a worker is looked at whose picture never changes, polled five times a second."""
    thresholds = thresholds_for(timeout_s, "sync")
    looks: list[float] = []
    for tick in range(int(timeout_s * 5)):
        age_s = tick / 5
        since_s = age_s - looks[-1] if looks else None
        if reason_to_look(WorkerView(age_s, ever, since_s, unchanged=len(looks)), thresholds) is not None:
            looks.append(age_s)
    return looks


def test_pauses_grow_to_a_limit() -> None:
    pauses = [pause_s(unchanged, NO_DEADLINE) for unchanged in range(20)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 1.0
    assert pauses[-1] == LONGEST_PAUSE_S


def test_budget_lets_a_burst_through_then_limits() -> None:
    budget = LookBudget(now_s=0.0)
    wanted = [(LookReason.STARTUP, float(i)) for i in range(32)]
    first = budget.grant(wanted, now_s=0.0)
    assert len(first) == BURST_LOOKS
    assert first[0] == 31, "who has waited longest comes first"
    assert budget.grant(wanted, now_s=0.0) == []
    assert 0 < len(budget.grant(wanted, now_s=1.0)) < 32


def test_last_chances_are_never_refused() -> None:
    budget = LookBudget(now_s=0.0)
    wanted = [(LookReason.STALE, 1.0), *[(LookReason.LAST_CHANCE, 1.0)] * 32]
    granted = budget.grant(wanted, now_s=0.0)
    assert set(range(1, 33)) <= set(granted)
    assert 0 not in granted, "the budget is gone by then"


def test_costly_looks_become_rare() -> None:
    cheap, costly = LookBudget(0.0), LookBudget(0.0)
    for _ in range(30):
        costly.spent(1.0)
    wanted = [(LookReason.STALE, 1.0)] * 64
    assert len(costly.grant(wanted, 0.0)) < len(cheap.grant(wanted, 0.0))
