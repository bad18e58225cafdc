"""Whether a fix worked: a table of what two runs show, and the answer. What a run cannot show is never good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gtdiag.analysis.chance import compare_rates, compare_shares
from gtdiag.analysis.comparing import compare_reports, compare_runs
from gtdiag.analysis.run_facts import read_run
from gtdiag.model.comparison import Change, Comparison, Outcome, Run, StartupEnd, WorkerStartup
from gtdiag.model.report import Report
from tests.unit.analysis.story import Story

BLANK = Run(
    kind="recording",
    files=("run.jsonl",),
    version="27.0.1",
    worker_class="uvicorn_worker.UvicornWorker",
    timeout_s=30.0,
    period_s=120.0,
    boots=4,
    timeouts=0,
    timeouts_serving=0,
    timeouts_per_hour=0.0,
    restart_loop_cycles=0,
    silent_startup_hangs=0,
    boot_failures=0,
    deaths=0,
    startups_known=4,
    startups_failed=0,
    startups_unknown=0,
    hangs_could_be_unseen=False,
    startup_slowest_s=3.0,
    startup_median_s=2.0,
    startup_resolution_s=0.1,
    ready=4,
    expected=4,
    peak_rss_bytes=100 << 20,
)


def run(**changes: Any) -> Run:
    return replace(BLANK, **changes)


GOOD = run()
NO_SPEED: dict[str, Any] = {"startup_slowest_s": None, "startup_median_s": None}
HANGING = run(startups_failed=4, silent_startup_hangs=4, ready=0, **NO_SPEED)
LOOPING = run(startups_known=12, startups_failed=12, timeouts=12, restart_loop_cycles=3, ready=0, **NO_SPEED)
HALF_HANGING = run(startups_failed=2, silent_startup_hangs=2, ready=2)
TIMING_OUT = run(timeouts=8, timeouts_serving=8)
BLIND = run(startups_known=0, startups_unknown=4, hangs_could_be_unseen=True, ready=None, **NO_SPEED)
"""A log of gunicorn 22 or later with a worker class that does not say when it is ready."""
STARTING = run(startups_known=0, ready=0, **NO_SPEED, workers=(WorkerStartup(7, 1, StartupEnd.UNFINISHED, None),))
SLOW = run(startup_slowest_s=21.0, startup_median_s=20.0)
RARELY_TIMING_OUT = run(period_s=86400.0, timeouts=1, timeouts_serving=1)
CRASHING = run(deaths=5)

TRUTH = [
    # before, after, answer, words that the sentence must have
    (HANGING, GOOD, Outcome.FIXED, "4 of 4 workers ready within 3 s"),
    (LOOPING, GOOD, Outcome.FIXED, "restart loop of 3 cycles"),
    (TIMING_OUT, GOOD, Outcome.FIXED, "before, 8 time-outs while serving; after, no trouble"),
    (CRASHING, GOOD, Outcome.FIXED, "5 workers crashed"),
    (HANGING, HALF_HANGING, Outcome.BETTER, "Not fixed: 2 of 4 start-ups failed"),
    (SLOW, GOOD, Outcome.BETTER, "median 20 s"),
    (HANGING, run(ready=3, expected=4), Outcome.BETTER, "only 3 of 4 workers were ready"),
    (HANGING, HANGING, Outcome.UNCHANGED, "4 of 4 start-ups failed"),
    (LOOPING, HANGING, Outcome.UNCHANGED, "hung in silence"),
    (TIMING_OUT, TIMING_OUT, Outcome.UNCHANGED, "8 time-outs while serving"),
    (replace(HANGING, deaths=1), HANGING, Outcome.UNCHANGED, "4 of 4 start-ups failed"),
    (GOOD, GOOD, Outcome.UNCHANGED, "neither shows"),
    (GOOD, HANGING, Outcome.WORSE, "failed start-ups 0 of 4 before, 4 of 4 after"),
    (GOOD, TIMING_OUT, Outcome.WORSE, "time-outs while serving 0 in 120 s before, 8 in 120 s after"),
    (GOOD, run(timeouts=1, timeouts_serving=1), Outcome.WORSE, "1 in 120 s after"),
    (HANGING, TIMING_OUT, Outcome.WORSE, "(better: failed start-ups 4 of 4 before, 0 of 4 after)"),
    (GOOD, SLOW, Outcome.WORSE, "slowest 21 s"),
    (GOOD, run(ready=2), Outcome.WORSE, "ready workers 4 of 4 before, 2 of 4 after"),
    # what cannot be shown is never good
    (LOOPING, BLIND, Outcome.CANNOT_TELL, "shows nothing of a worker that hangs before its first heartbeat"),
    (TIMING_OUT, replace(BLIND, period_s=3600.0), Outcome.CANNOT_TELL, "gtdiag watch --record"),
    (GOOD, BLIND, Outcome.CANNOT_TELL, "AFTER is a log"),
    (BLIND, GOOD, Outcome.CANNOT_TELL, "BEFORE is a log"),
    (HANGING, STARTING, Outcome.CANNOT_TELL, "AFTER shows no start-up from its begin to its end"),
    (GOOD, STARTING, Outcome.CANNOT_TELL, "AFTER shows no start-up"),
    (TIMING_OUT, run(period_s=20.0), Outcome.CANNOT_TELL, "AFTER is too short"),
    (run(period_s=10.0), RARELY_TIMING_OUT, Outcome.CANNOT_TELL, "BEFORE is too short"),
    (run(startups_known=40, startups_failed=2), GOOD, Outcome.CANNOT_TELL, "too few for so rare a failure"),
    (TIMING_OUT, run(period_s=None), Outcome.CANNOT_TELL, "does not tell how long"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "outcome", "words"), TRUTH, ids=[f"{row[2].value}-{row[3]}" for row in TRUTH]
)
def test_the_answer(before: Run, after: Run, outcome: Outcome, words: str) -> None:
    comparison = compare_runs(before, after)
    assert (comparison.outcome, words in comparison.summary) == (outcome, True), comparison.summary


def test_every_outcome_is_in_the_table() -> None:
    assert {row[2] for row in TRUTH} == set(Outcome)


@pytest.mark.parametrize("before", [row[0] for row in TRUTH])
def test_a_run_that_shows_nothing_is_never_good_news(before: Run) -> None:
    assert compare_runs(before, BLIND).outcome in (Outcome.CANNOT_TELL, Outcome.WORSE)
    assert compare_runs(before, STARTING).outcome in (Outcome.CANNOT_TELL, Outcome.WORSE)


def test_memory_has_no_say() -> None:
    comparison = compare_runs(GOOD, run(peak_rss_bytes=900 << 20))
    assert comparison.outcome is Outcome.UNCHANGED
    assert change_of(comparison, "peak_memory") is Change.WORSE


ASKED = run(health_probes=60, health_answered=60, health_median_s=0.004, health_worst_s=0.03)
MUTE = run(health_probes=60, health_answered=0)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (ASKED, ASKED, Change.SAME),
        (ASKED, replace(ASKED, health_median_s=0.02), Change.SAME),  # five times as long, and nobody minds
        (ASKED, replace(ASKED, health_median_s=0.4), Change.WORSE),
        (replace(ASKED, health_median_s=0.4), ASKED, Change.BETTER),
        (MUTE, ASKED, Change.BETTER),
        (ASKED, MUTE, Change.WORSE),
        (MUTE, MUTE, Change.SAME),
        (GOOD, ASKED, Change.UNKNOWN),
        (ASKED, GOOD, Change.UNKNOWN),
    ],
)
def test_the_health_endpoint_is_shown_and_has_no_say(before: Run, after: Run, change: Change) -> None:
    comparison = compare_runs(before, after)
    assert (comparison.outcome, change_of(comparison, "health")) == (Outcome.UNCHANGED, change)


def test_an_endpoint_that_nobody_asked_is_not_shown() -> None:
    assert "health" not in {measure.name for measure in compare_runs(GOOD, GOOD).measures}


def test_a_second_more_is_within_what_a_log_can_tell() -> None:
    before = run(kind="log", startup_resolution_s=1.0, startup_median_s=1.0, startup_slowest_s=1.0)
    after = run(kind="log", startup_resolution_s=1.0, startup_median_s=2.0, startup_slowest_s=2.0)
    assert compare_runs(before, after).outcome is Outcome.UNCHANGED


@pytest.mark.parametrize(
    ("bad_before", "of_before", "bad_after", "of_after", "change"),
    [
        (4, 4, 0, 4, Change.GONE),
        (1, 1, 0, 1, Change.GONE),
        (12, 12, 4, 4, Change.SAME),  # three times as many start-ups, the same share
        (1, 20, 0, 4, Change.UNKNOWN),
        (1, 20, 0, 100, Change.GONE),
        (0, 4, 1, 4, Change.WORSE),
        (0, 1, 1, 20, Change.UNKNOWN),
        (4, 4, 1, 4, Change.BETTER),
        (2, 40, 3, 40, Change.SAME),
        (2, 40, 20, 40, Change.WORSE),
        (0, 4, 0, 4, Change.SAME),
        (0, 0, 0, 4, Change.UNKNOWN),
        (4, 4, 0, 0, Change.UNKNOWN),
    ],
)
def test_shares(bad_before: int, of_before: int, bad_after: int, of_after: int, change: Change) -> None:
    assert compare_shares(bad_before, of_before, bad_after, of_after) is change


@pytest.mark.parametrize(
    ("bad_before", "before_s", "bad_after", "after_s", "change"),
    [
        (60, 3600.0, 10, 600.0, Change.SAME),  # fewer, in a sixth of the time
        (10, 600.0, 60, 3600.0, Change.SAME),
        (60, 3600.0, 0, 600.0, Change.GONE),
        (3, 3600.0, 0, 600.0, Change.UNKNOWN),
        (10, 600.0, 10, 6000.0, Change.BETTER),
        (10, 6000.0, 10, 600.0, Change.WORSE),
        (5000, 3600.0, 2000, 3600.0, Change.BETTER),
        (2000, 3600.0, 5000, 3600.0, Change.WORSE),
        (0, None, 0, 60.0, Change.SAME),
        (2, None, 0, 60.0, Change.UNKNOWN),
    ],
)
def test_rates(bad_before: int, before_s: float, bad_after: int, after_s: float, change: Change) -> None:
    assert compare_rates(bad_before, before_s, bad_after, after_s) is change


# --- what a report shows of a run ------------------------------------------------------------------------------------


def hanging(version: str = "27.0.1") -> Report:
    story = Story()
    story.master(version=version, timeout_s=30, workers=2)
    for pid in (7, 8):
        story.boots(pid, at=0)
    for at in (10, 20, 40):
        for pid in (7, 8):
            story.beats(pid, at=at, age_s=at, ever=False)
    return story.report()


def healthy() -> Report:
    story = Story()
    story.master(version="27.0.1", timeout_s=30, workers=2)
    for pid in (17, 18):
        story.boots(pid, at=0)
        story.ready(pid, at=pid - 16)
        story.beats(pid, at=40, age_s=1, ever=True)
    return story.report()


def test_a_silent_hang_that_was_watched_is_a_failed_startup() -> None:
    seen = read_run(hanging())
    assert (seen.startups_failed, seen.startups_known, seen.silent_startup_hangs) == (2, 2, 2)
    assert (seen.ready, seen.expected, seen.timeouts) == (0, 2, 0)


def test_startup_seconds_and_ready_workers() -> None:
    seen = read_run(healthy())
    assert (seen.startup_slowest_s, seen.startup_median_s) == (2.0, 1.5)
    assert (seen.ready, seen.expected, seen.startups_failed) == (2, 2, 0)


def test_from_hanging_to_healthy_is_fixed() -> None:
    assert compare_reports(hanging(), healthy()).outcome is Outcome.FIXED
    assert compare_reports(healthy(), hanging()).outcome is Outcome.WORSE


def change_of(comparison: Comparison, name: str) -> Change:
    return next(measure.change for measure in comparison.measures if measure.name == name)
