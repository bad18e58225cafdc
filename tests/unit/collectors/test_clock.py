"""A wall clock that somebody sets, to times that stay in order."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from gtdiag.collectors import clock as clock_module
from gtdiag.collectors.clock import SystemClock, choose_unstepped
from gtdiag.gunicorn.heartbeat import judge_heartbeat

NOW = datetime(2026, 10, 25, 1, 30, tzinfo=timezone.utc)


class Machine:
    """A machine's two clocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall_s, self.boot_s = NOW.timestamp(), 1000.0
        monkeypatch.setattr(time, "time", lambda: self.wall_s)
        monkeypatch.setattr(clock_module, "read_seconds_since_boot", lambda: self.boot_s)

    def passes(self, seconds: float, *, slewed_s: float = 0.0) -> None:
        self.boot_s += seconds
        self.wall_s += seconds + slewed_s


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0, -1.5, 86_400.0])
def test_a_step_is_left_out(step_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, clock = Machine(monkeypatch), SystemClock()
    assert clock.now() == NOW
    machine.passes(2)
    machine.wall_s += step_s
    assert (clock.now() - NOW).total_seconds() == pytest.approx(2)
    assert clock.stepped_s() == pytest.approx(step_s)
    machine.passes(3)
    machine.wall_s -= step_s
    assert (clock.now() - NOW).total_seconds() == pytest.approx(5)
    assert clock.stepped_s() == pytest.approx(0)


def test_small_corrections_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, clock = Machine(monkeypatch), SystemClock()
    clock.now()
    for _ in range(100):
        machine.passes(0.2, slewed_s=-0.05)
        clock.now()
    assert (clock.now() - NOW).total_seconds() == pytest.approx(15)
    assert clock.stepped_s() == 0


def test_a_process_that_was_not_run_between_two_readings_saw_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, clock = Machine(monkeypatch), SystemClock()
    clock.now()
    pauses = [30.0, 0.0, 0.0]

    def read_late() -> float:
        machine.passes(pauses.pop(0) if pauses else 0.0)
        return machine.boot_s

    monkeypatch.setattr(clock_module, "read_seconds_since_boot", read_late)
    clock.now()
    assert clock.stepped_s() == 0


@pytest.mark.parametrize(
    ("stamp_s", "stepped_s", "meant_s"),
    [
        (-1, 0, -1),
        (-3601, -3600, -1),  # written after it was set back
        (-1, -3600, -1),  # written before, read after
        (3599, 3600, -1),
        (-1, 3600, -1),
        (-3610, -3600, -10),  # a line that came late
    ],
)
def test_a_stamp_on_either_side_of_a_step(stamp_s: float, stepped_s: float, meant_s: float) -> None:
    at = choose_unstepped(NOW + timedelta(seconds=stamp_s), NOW, stepped_s)
    assert at == NOW + timedelta(seconds=meant_s)


@pytest.mark.parametrize(
    ("touched_s", "stepped_s", "age_s"),
    [
        (995.0, 0.0, 5.0),
        (995.0, -3600.0, 5.0),  # touched before it was set back: the file is from the future now
        (995.0 - 3600, -3600.0, 5.0),
        (995.0, 3600.0, 5.0),
        (995.0 + 3600, 3600.0, 5.0),
    ],
)
@pytest.mark.parametrize("ever", [True, False])
def test_the_age_of_a_heartbeat_of_gunicorn_21(touched_s: float, stepped_s: float, age_s: float, ever: bool) -> None:
    """By the file's time of change, which the kernel writes by the wall clock."""
    found = judge_heartbeat(
        mtime_s=10_000.0,
        ctime_s=touched_s,
        mode=0o1 if ever else 0o600,
        wall_now_s=1000.0 + stepped_s,
        monotonic_now_s=50.0,
        version_major=21,
        stepped_s=stepped_s,
    )
    assert (found.ever, found.age_s) == (ever, age_s)
