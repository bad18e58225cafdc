from __future__ import annotations

import pytest

from gtdiag.collectors.startup_glimpses import COST_SHARE, PAUSE_AFTER_NOTHING_S, GlimpseSchedule
from gtdiag.model.stacks import Frame, ThreadStack


@pytest.mark.parametrize("cost_s", [0.0005, 0.003, 0.2])
@pytest.mark.parametrize("age_s", [0.3, 10.0, 3600.0])
def test_a_starting_worker_costs_no_more_than_its_share_of_a_core(cost_s: float, age_s: float) -> None:
    schedule = GlimpseSchedule()
    schedule.reschedule(100.0, age_s, cost_s, saw_something=True)
    assert cost_s / (schedule.due_s - 100.0) <= COST_SHARE * 1.0001


@pytest.mark.parametrize(("startup_s", "fewest", "most"), [(2.0, 7, 9), (10.0, 25, 40), (3600.0, 100, 200)])
def test_how_many_glimpses_a_start_up_gets(startup_s: float, fewest: int, most: int) -> None:
    schedule, count = GlimpseSchedule(), 0
    while schedule.due_s < startup_s:
        count += 1
        schedule.reschedule(schedule.due_s, schedule.due_s, 0.002, saw_something=True)
    assert fewest <= count <= most


def test_what_cannot_be_read_is_not_asked_for_again_at_once() -> None:
    schedule = GlimpseSchedule()
    schedule.reschedule(0.0, 0.1, 0.001, saw_something=False)
    assert schedule.due_s == PAUSE_AFTER_NOTHING_S


def stack(function: str, line: int) -> tuple[ThreadStack, ...]:
    return (ThreadStack(1, None, (Frame(function, "/srv/app/main.py", line),), main=True),)


def test_another_line_of_the_same_function_is_no_news() -> None:
    schedule = GlimpseSchedule()
    assert schedule.is_news(stack("load", 1), ())
    assert not schedule.is_news(stack("load", 2), ())
    assert schedule.is_news(stack("connect", 2), ())
