"""The figures of a watch: what is counted, and that their number stays bounded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from gtdiag.analysis import Analysis, IncidentNews
from gtdiag.analysis.blocked_time import MAX_CALLS, OTHER_CALLS, BlockedTime
from gtdiag.analysis.metrics import MetricFold
from gtdiag.model.events import CollectionGap, Event, MasterGone
from gtdiag.model.identity import Origin
from gtdiag.model.metrics import MetricKind, MetricUnit, OwnCost
from gtdiag.model.report import IncidentKind, Report
from gtdiag.rules.metric_catalog import read_metric_catalog
from tests.unit.analysis.story import MASTER, Story, main_thread, moment

Figures = dict[str, dict[tuple[str, ...], float]]
REQUESTS = main_thread("app:view", "requests/sessions.py:Session.send")


def figures(fold: MetricFold, dropped: dict[str, int] | None = None) -> Figures:
    return {
        family.spec.full_name: {sample.labels: sample.value for sample in family.samples}
        for family in fold.families(OwnCost(1.5, 4096), dropped or {})
    }


class Watched:
    """A story that is followed as `watch` does: a report after every event."""

    def __init__(self) -> None:
        self.story = Story()
        self.story.master(version="21.2.0", timeout_s=30, workers=2, worker_class="sync")
        self.fold, self._analysis, self._news = MetricFold(), Analysis(), IncidentNews()
        self._taken = 0

    def catch_up(self, *, final: bool = False) -> Figures:
        for event in self.story.told[self._taken :]:
            self._analysis.add(event)
            self.fold.add(event)
            report = self._analysis.report()
            self.fold.read(report, self._news.read(report, final=final))
        self._taken = len(self.story.told)
        return figures(self.fold)


def test_workers_by_phase_with_their_heartbeats() -> None:
    watched = Watched()
    for pid in (7, 8, 9):
        watched.story.boots(pid, at=1)
    watched.story.beats(7, at=2, age_s=0.25, ever=True)
    watched.story.beats(8, at=2, age_s=1.0, ever=False)
    watched.story.process(7, at=2, rss_bytes=1000)
    found = watched.catch_up()
    assert found["gtdiag_workers"] == {("startup",): 1, ("serving",): 1, ("unknown",): 1}
    assert found["gtdiag_workers_expected"] == {(): 2}
    assert found["gtdiag_worker_heartbeat_age_seconds"] == {("7",): 0.25, ("8",): 1.0}
    assert found["gtdiag_worker_resident_memory_bytes"] == {("7",): 1000}
    assert found["gtdiag_timeout_seconds"] == {(): 30}
    assert found["gtdiag_masters"] == {(): 1}
    assert found["gtdiag_master_info"] == {("100", "21.2.0", "sync"): 1}
    assert found["gtdiag_worker_boots_total"] == {(): 3}


def test_a_worker_that_is_gone_has_no_figures() -> None:
    watched = Watched()
    watched.story.boots(7, at=1)
    watched.story.beats(7, at=2, age_s=0.25, ever=True)
    watched.story.exits(7, at=3, code=None)
    found = watched.catch_up()
    assert found["gtdiag_worker_heartbeat_age_seconds"] == {}
    assert found["gtdiag_workers"][("serving",)] == 0
    assert found["gtdiag_worker_exits_total"] == {(): 1}


def test_time_outs_and_incidents_by_cause() -> None:
    watched = Watched()
    assert watched.catch_up()["gtdiag_worker_timeouts_total"] == {("startup",): 0, ("serving",): 0, ("unknown",): 0}
    watched.story.boots(7, at=1)
    watched.story.beats(7, at=2, age_s=0.1, ever=True)
    for second in (20, 29):
        watched.story.beats(7, at=second, age_s=second - 1.9, ever=True)
        watched.story.looks(7, second, REQUESTS)
    watched.story.times_out(7, at=30)
    watched.story.dies(7, at=31, signal="SIGKILL")
    watched.story.boots(8, at=34)
    found = watched.catch_up()
    assert found["gtdiag_worker_timeouts_total"] == {("startup",): 0, ("serving",): 1, ("unknown",): 0}
    assert found["gtdiag_incidents_total"][("worker_timeout",)] == 1
    assert set(found["gtdiag_incidents_total"]) == {(kind.value,) for kind in IncidentKind}
    assert found["gtdiag_incident_causes_total"] == {("worker_timeout", "http"): 1}
    [(cause, seconds)] = found["gtdiag_blocked_seconds_total"].items()
    assert cause == ("http", "view")
    assert 8 <= seconds <= 12
    assert found["gtdiag_open_incidents"] == {("startup_hang",): 0, ("worker_timeout",): 0, ("master_hang",): 0}


def test_a_silent_hang_is_open_while_it_lasts() -> None:
    watched = Watched()
    watched.story.master(version="27.0.1", timeout_s=30, workers=1)
    watched.story.boots(7, at=1)
    watched.story.beats(7, at=40, age_s=39, ever=False)
    watched.story.looks(7, 41, REQUESTS)
    watched.story.looks(7, 45, REQUESTS)
    watched.story.beats(7, at=46, age_s=45, ever=False)
    found = watched.catch_up()
    assert found["gtdiag_open_incidents"][("startup_hang",)] == 1
    assert found["gtdiag_workers_blocked"] == {("http",): 1}
    watched.story.beats(7, at=50, age_s=0.1, ever=True)
    watched.story.ready(7, at=50)
    found = watched.catch_up()
    assert found["gtdiag_open_incidents"][("startup_hang",)] == 0
    assert found["gtdiag_workers_blocked"] == {}
    assert found["gtdiag_incidents_total"][("startup_hang",)] == 1


def test_at_the_end_and_without_a_master_nothing_looks_alive() -> None:
    watched = Watched()
    watched.story.boots(7, at=1)
    watched.story.beats(7, at=2, age_s=0.25, ever=True)
    watched.story._tell(MasterGone(origin=Origin("master"), at=moment(3), master_pid=MASTER))
    found = watched.catch_up()
    assert found["gtdiag_masters"] == {(): 0}
    assert found["gtdiag_worker_heartbeat_age_seconds"] == {}
    assert found["gtdiag_watching"] == {(): 1}
    watched.story.ends(at=4)
    found = watched.catch_up()
    assert found["gtdiag_watching"] == {(): 0}
    assert found["gtdiag_workers"] == {}


def test_what_gtdiag_itself_costs_and_could_not_do() -> None:
    fold = MetricFold()
    for why in ("one", "two", "two"):
        fold.add(CollectionGap(origin=Origin("log"), what="log", why=why))
    found = figures(fold, {"otlp": 3})
    assert found["gtdiag_gaps"] == {("log",): 2}
    assert found["gtdiag_export_dropped_total"] == {("otlp",): 3}
    assert found["gtdiag_events_total"] == {(): 3}
    assert found["gtdiag_process_cpu_seconds_total"] == {(): 1.5}
    assert found["gtdiag_process_resident_memory_bytes"] == {(): 4096}


def blocked_reports(calls: Iterable[tuple[str, float]]) -> Iterable[Report]:
    """Reports of one worker that is blocked in one call after another, for so many seconds."""
    story = Story()
    story.master(version="27.0.1", timeout_s=30)
    story.boots(7, at=1)
    story.beats(7, at=20, age_s=19, ever=False)
    story.looks(7, 20, REQUESTS)
    story.looks(7, 25, REQUESTS)
    report = story.report()
    [worker] = report.workers
    assert worker.blocked is not None
    for call, seconds in calls:
        blocked = replace(worker.blocked, call=call, seconds=seconds)
        yield replace(report, workers=(replace(worker, blocked=blocked),))


@pytest.mark.parametrize(
    ("seen", "counted"),
    [
        ([("f", 1.0), ("f", 2.0), ("f", 7.5)], {"f": 7.5}),
        ([("f", 0.9)], {}),
        ([("f", 10.0), ("f", 9.5), ("f", 11.0)], {"f": 11.0}),
        ([("f", 10.0), ("f", 2.0), ("f", 3.0)], {"f": 13.0}),
        ([("f", 10.0), ("g", 2.0), ("f", 10.0)], {"f": 10.0, "g": 2.0}),
    ],
)
def test_blocked_seconds_are_counted_once(seen: list[tuple[str, float]], counted: dict[str, float]) -> None:
    time = BlockedTime()
    for report in blocked_reports(seen):
        time.read(report)
    assert {call: seconds for (_category, call), seconds in time.seconds.items()} == counted


def test_a_program_with_many_functions_has_a_bounded_number_of_series() -> None:
    time = BlockedTime()
    for report in blocked_reports((f"step_{n}", 2.0) for n in range(10 * MAX_CALLS)):
        time.read(report)
    assert len(time.seconds) <= MAX_CALLS + 1
    assert sum(time.seconds.values()) == 2.0 * 10 * MAX_CALLS
    assert time.seconds["http", OTHER_CALLS] == 2.0 * 9 * MAX_CALLS


def test_weeks_of_a_restart_loop_leave_the_number_of_series_as_it_was() -> None:
    fold, counts = MetricFold(), []
    for cycle in range(2000):
        story = Story()
        told: list[Event] = story.told[:1] if cycle == 0 else []
        start = len(story.told)
        story.boots(1000 + cycle, at=cycle * 10 + 1)
        story.beats(1000 + cycle, at=cycle * 10 + 5, age_s=4, ever=False)
        story.exits(1000 + cycle, at=cycle * 10 + 9, code=None)
        for event in [*told, *story.told[start:]]:
            fold.add(event)
        counts.append(sum(len(samples) for samples in figures(fold).values()))
    assert len(set(counts)) == 1
    assert figures(fold)["gtdiag_worker_boots_total"] == {(): 2000}


def test_names_follow_the_conventions() -> None:
    for spec in read_metric_catalog().values():
        assert spec.full_name.endswith("_total") is (spec.kind is MetricKind.COUNTER)
        assert (spec.unit is not MetricUnit.NONE) is any(f"_{u}" in spec.full_name for u in ("seconds", "bytes"))
        assert spec.help.endswith(".")
