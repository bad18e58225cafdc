"""What several workers show together; each pattern also has a case close by that must not fire."""

from __future__ import annotations

import pytest

from gtdiag.model.report import Category, Confidence, Pattern, PatternKind, Phase
from tests.unit.analysis.story import LIFESPAN, LOOP, Story, main_thread, task, to_peer

PEER = to_peer("10.0.3.7:5432")
CHAIN = task(*LIFESPAN, "app:check_migrations", "asyncpg/connection.py:connect")


def pattern(story: Story, kind: PatternKind) -> Pattern | None:
    found = [p for p in story.report().patterns if p.kind is kind]
    assert len(found) <= 1
    return found[0] if found else None


def hang(story: Story, pids: list[int], at: float, until: float) -> None:
    """Workers that boot at `at` and are seen in the same call every few seconds until `until`."""
    for pid in pids:
        story.boots(pid, at=at)
    step = max(1.0, (until - at) / 5)
    moment = at + step
    while moment < until:
        for pid in pids:
            story.beats(pid, at=moment, age_s=moment - at, ever=False)
            story.looks(pid, moment, main_thread(*LOOP), tasks=(CHAIN,), sockets=(PEER,))
        moment += step


def loop_of(generations: list[list[int]], *, version: str = "21.2.0") -> Story:
    story = Story()
    story.master(
        version=version, timeout_s=30, worker_class="uvicorn.workers.UvicornWorker", workers=len(generations[0])
    )
    for number, pids in enumerate(generations):
        start = number * 31.0
        hang(story, pids, start, start + 30)
        for pid in pids:
            story.times_out(pid, at=start + 30)
            story.dies(pid, at=start + 30.5, signal="SIGABRT")
            story.exits(pid, at=start + 30.9, code=None)
    return story


def test_restart_loop_with_its_cycles_and_period() -> None:
    story = loop_of([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])
    found = pattern(story, PatternKind.RESTART_LOOP)
    assert found is not None
    assert (found.cycles, found.period_s, found.confidence) == (3, 31.0, Confidence.HIGH)
    assert len(found.pids) == 12


def test_one_generation_is_not_a_loop() -> None:
    assert pattern(loop_of([[1, 2, 3, 4]]), PatternKind.RESTART_LOOP) is None


def test_time_outs_of_workers_that_served_are_not_a_restart_loop() -> None:
    story = Story()
    story.master(timeout_s=30, workers=1)
    for number in range(3):
        start = number * 100.0
        story.boots(number + 1, at=start)
        story.ready(number + 1, at=start + 1)
        story.times_out(number + 1, at=start + 80)
        story.dies(number + 1, at=start + 81, signal="SIGKILL")
    assert pattern(story, PatternKind.RESTART_LOOP) is None


def test_startup_contention_counts_one_generation() -> None:
    found = pattern(loop_of([[1, 2, 3, 4], [5, 6, 7, 8]]), PatternKind.STARTUP_CONTENTION)
    assert found is not None
    assert (found.category, found.call, found.of_workers) == (Category.DATABASE, "check_migrations", 4)
    assert len(found.pids) == 4


def test_one_worker_alone_is_no_contention() -> None:
    assert pattern(loop_of([[1]]), PatternKind.STARTUP_CONTENTION) is None


def test_contention_is_told_before_anything_is_killed() -> None:
    story = Story()
    story.master(timeout_s=30, worker_class="uvicorn.workers.UvicornWorker", workers=4)
    hang(story, [1, 2, 3, 4], 0, 20)
    report = story.report()
    assert report.incidents == ()
    found = pattern(story, PatternKind.STARTUP_CONTENTION)
    assert found is not None and found.pids == (1, 2, 3, 4)
    assert "4 of 4 workers" in report.verdict.summary
    assert "check_migrations" in report.verdict.summary


def test_a_start_up_of_two_seconds_is_no_contention() -> None:
    story = Story()
    story.master(timeout_s=30, workers=4)
    hang(story, [1, 2, 3, 4], 0, 2.5)
    assert pattern(story, PatternKind.STARTUP_CONTENTION) is None


def test_silent_startup_hang() -> None:
    story = Story()
    story.master(version="27.0.1", timeout_s=30, worker_class="uvicorn_worker.UvicornWorker", workers=2)
    hang(story, [1, 2], 0, 60)
    found = pattern(story, PatternKind.SILENT_STARTUP_HANG)
    assert found is not None
    assert (found.pids, found.of_workers, found.confidence) == ((1, 2), 2, Confidence.HIGH)
    report = story.report()
    assert "27.0.1" in report.verdict.summary
    assert {incident.phase for incident in report.incidents} == {Phase.STARTUP}


def test_a_slow_start_up_that_came_through_is_not_a_silent_hang() -> None:
    story = Story()
    story.master(version="27.0.1", timeout_s=30, workers=1)
    hang(story, [1], 0, 40)
    story.beats(1, at=40, age_s=40, ever=False)
    story.ready(1, at=41)
    assert pattern(story, PatternKind.SILENT_STARTUP_HANG) is None


@pytest.mark.parametrize(("oom", "misleading"), [(None, True), ("record", False)])
def test_misleading_oom_message(oom: str | None, misleading: bool) -> None:
    story = Story()
    story.master(timeout_s=30)
    story.boots(1, at=0)
    if oom:
        story.kernel_kills(1, at=20)
    else:
        story.times_out(1, at=19)
    story.dies(1, at=20, signal="SIGKILL")
    assert (pattern(story, PatternKind.MISLEADING_OOM_MESSAGE) is not None) is misleading


def test_the_kernels_log_tells_of_other_masters_too() -> None:
    story = Story()
    story.master()
    story.boots(1, at=0)
    story.kernel_kills(999, at=20)
    report = story.report()
    assert report.incidents == ()
    assert [(record.pid, record.worker) for record in report.kernel_oom_kills] == [(999, False)]


def test_a_sigkill_that_nothing_explains_is_not_called_misleading() -> None:
    story = Story(log_only=True)
    story.master()
    story.boots(1, at=0)
    story.dies(1, at=20, signal="SIGKILL")
    assert pattern(story, PatternKind.MISLEADING_OOM_MESSAGE) is None


@pytest.mark.parametrize("synchronous", [True, False])
def test_blocking_call_in_event_loop(synchronous: bool) -> None:
    story = Story()
    story.master(timeout_s=10, worker_class="uvicorn.workers.UvicornWorker")
    story.boots(1, at=0)
    story.ready(1, at=1)
    on_the_loop = (*LOOP[:3], "std/asyncio/events.py:Handle._run", "app:handler", "requests/api.py:get")
    for at in (7.0, 8.0, 9.0):
        if synchronous:
            story.looks(1, at, main_thread(*on_the_loop), tasks=())
        else:
            story.looks(1, at, main_thread(*LOOP), tasks=(task("app:handler", "httpx/_client.py:get"),))
    story.times_out(1, at=10)
    found = pattern(story, PatternKind.BLOCKING_CALL_IN_EVENT_LOOP)
    assert (found is not None) is synchronous
    assert found is None or found.call == "handler"


def test_a_healthy_server_has_no_pattern() -> None:
    story = Story()
    story.master(timeout_s=30, workers=2)
    for pid in (1, 2):
        story.boots(pid, at=0)
        story.ready(pid, at=1)
        for at in range(2, 60):
            story.beats(pid, at=at, age_s=0.5, ever=True)
    report = story.report()
    assert (report.patterns, report.incidents) == ((), ())
    assert report.verdict.summary.startswith("Nothing found")


def test_gaps_lower_the_confidence_of_finding_nothing() -> None:
    from gtdiag.model.events import CollectionGap
    from gtdiag.model.identity import Origin

    story = Story()
    story.master(timeout_s=30, workers=1)
    story.boots(1, at=0)
    story.ready(1, at=1)
    story.told.append(CollectionGap(origin=Origin("stack"), what="stacks", why="ptrace is not permitted"))
    report = story.report()
    assert report.verdict.confidence is Confidence.MEDIUM
    assert "stacks" in report.verdict.summary
    assert [gap.what for gap in report.gaps] == ["stacks"]
