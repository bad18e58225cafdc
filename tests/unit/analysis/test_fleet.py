"""Partial analyses merge in any grouping and order to the same report, and hosts are never mixed."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gtdiag.analysis.fleet.concluding import conclude
from gtdiag.analysis.fleet.merging import MAX_EXAMPLES_OF_A_CAUSE, merge_partials
from gtdiag.analysis.fleet.partial import draw_partial, draw_unread
from gtdiag.fleet.partial_codec import encode_partial, parse_partial
from gtdiag.model.partial import Partial
from gtdiag.model.report import (
    Confidence,
    Gap,
    GunicornFacts,
    Incident,
    IncidentKind,
    KilledBy,
    Pattern,
    PatternKind,
    Period,
    Phase,
    Report,
    Source,
    Verdict,
    Worker,
    WorkerEnd,
)
from gtdiag.renderers.json_report import render_json
from tests.unit.renderers.sample_reports import blocked_in_database

START = datetime(2026, 3, 1, 14, 2, tzinfo=timezone.utc)
OFFSETS = (timezone.utc, timezone(timedelta(hours=2)), timezone(timedelta(hours=-7)))


def worker(pid: int, booted_s: float, ended_s: float | None, master_pid: int = 1, replica: str | None = None) -> Worker:
    return Worker(
        pid=pid,
        ordinal=pid,
        master_pid=master_pid,
        phase=Phase.EXITED if ended_s is not None else Phase.SERVING,
        booted_at=START + timedelta(seconds=booted_s),
        ready_at=None,
        startup_s=None,
        ended_at=None if ended_s is None else START + timedelta(seconds=ended_s),
        end=WorkerEnd.TIMEOUT if ended_s is not None else WorkerEnd.RUNNING,
        replica=replica,
    )


def time_out(pid: int, at_s: float, call: str | None = "migrate", replica: str | None = None) -> Incident:
    return Incident(
        id="i1",
        kind=IncidentKind.WORKER_TIMEOUT,
        pid=pid,
        ordinal=pid,
        master_pid=1,
        at=START + timedelta(seconds=at_s),
        resolved_at=None,
        phase=Phase.STARTUP,
        killed_by=KilledBy.GUNICORN,
        summary=f"worker {pid} timed out after 30 s without a heartbeat",
        blocked=None if call is None else replace(blocked_in_database(), call=call),
        replica=replica,
    )


def report_of(workers: list[Worker], incidents: list[Incident], **others: Any) -> Report:
    streams = sorted({one.replica or "" for one in workers})
    return Report(
        gtdiag_version="0.1.0",
        source=Source("log", None, others.pop("files", ("gunicorn.log",))),
        gunicorn=others.pop("gunicorn", GunicornFacts(version="23.0.0", master_pid=1)),
        period=Period(START, START + timedelta(hours=1)),
        workers=tuple(workers),
        incidents=tuple(incidents),
        patterns=others.pop("patterns", ()),
        verdict=Verdict("", Confidence.HIGH),
        gaps=others.pop("gaps", ()),
        masters=tuple(GunicornFacts(version="23.0.0", master_pid=1, stream=name) for name in streams),
    )


def conclude_all(*partials: Partial) -> Report:
    return conclude(merge_partials(partials))


# --- any grouping, any order ---

calls = st.sampled_from(["migrate", "load_model", "<module>", None])


@st.composite
def reports(draw: st.DrawFn) -> Report:
    pids = draw(st.lists(st.integers(7, 12), unique=True, min_size=1, max_size=4))
    replicas = draw(st.sampled_from([[None], [None], ["web-1", "web-2"]]))
    workers, incidents = [], []
    for replica in replicas:
        for pid in pids:
            booted_s = draw(st.integers(0, 3))
            life_s = draw(st.sampled_from([0, 1, 30, None]))
            workers.append(worker(pid, booted_s, None if life_s is None else booted_s + life_s, replica=replica))
            for _ in range(draw(st.integers(0, 2))):
                incident = time_out(pid, draw(st.integers(0, 40)), draw(calls), replica)
                assert incident.at is not None
                at = draw(st.sampled_from([None, *(incident.at.astimezone(offset) for offset in OFFSETS)]))
                incidents.append(replace(incident, at=at, kind=draw(st.sampled_from(IncidentKind))))
    loop = Pattern(PatternKind.RESTART_LOOP, "2 cycles", Confidence.HIGH, pids=(7, 8), cycles=2, replica=replicas[0])
    gap = Gap("stacks", f"worker {pids[0]} could not be read", "run as root")
    return report_of(
        workers,
        incidents,
        patterns=draw(st.sampled_from([(), (loop,)])),
        gaps=draw(st.sampled_from([(), (gap,)])),
        gunicorn=GunicornFacts(version=draw(st.sampled_from(["21.2.0", "23.0.0"])), workers=4, timeout_s=30.0),
    )


@st.composite
def fleets(draw: st.DrawFn) -> list[Partial]:
    found = draw(st.lists(st.none() | reports(), min_size=1, max_size=7))
    partials = []
    for number, report in enumerate(found):
        host = draw(st.sampled_from(["web", "db", f"web-{number}"]))
        files = (f"{number}.log",)
        if report is None:
            partials.append(draw_unread(files, f"no such file: {number}.log", key=files[0], host=host))
        else:
            deployment = draw(st.sampled_from([None, "shop"]))
            report = replace(report, source=Source("log", None, files))
            partials.append(draw_partial(report, key=files[0], host=host, deployment=deployment))
    return partials


@given(fleets(), st.integers(0, 1 << 32))
def test_any_grouping_and_any_order_give_the_same_bytes(partials: list[Partial], seed: int) -> None:
    expected = render_json(conclude(merge_partials(partials)))
    rng = random.Random(seed)
    left = [*partials, rng.choice(partials)]  # one of them comes twice
    while len(left) > 1:
        rng.shuffle(left)
        taken = rng.randint(2, len(left))
        merged = merge_partials(left[:taken])
        left = [parse_partial(encode_partial(merged)) if rng.random() < 0.5 else merged, *left[taken:]]
    assert render_json(conclude(left[0])) == expected


@given(fleets())
def test_a_partial_comes_back_as_it_was(partials: list[Partial]) -> None:
    merged = merge_partials(partials)
    assert parse_partial(encode_partial(merged)) == merged


@given(fleets())
def test_what_is_counted_adds_up(partials: list[Partial]) -> None:
    report = conclude(merge_partials(partials))
    fleet = report.fleet
    assert fleet is not None
    assert fleet.incidents == sum(one.incidents for one in fleet.sources) == sum(one.incidents for one in fleet.causes)
    assert fleet.incidents_left_out == fleet.incidents - len(report.incidents)
    assert fleet.workers == sum(one.workers for one in fleet.sources)
    assert len(fleet.sources) + len(fleet.unread) >= len(partials)
    for cause in fleet.causes:
        assert 1 <= cause.workers <= cause.of_workers
        assert len(cause.hosts) <= cause.of_hosts == fleet.hosts
        assert cause.incidents == sum(kind.number for kind in cause.kinds)
    assert [one.incident for one in fleet.examples] == [incident.id for incident in report.incidents]


# --- what is counted ---


def test_the_same_pids_on_two_hosts_are_different_workers() -> None:
    one = report_of([worker(7, 0, 30), worker(8, 0, None)], [time_out(7, 30)])
    report = conclude_all(draw_partial(one, key="a.log", host="a"), draw_partial(one, key="b.log", host="b"))
    assert report.fleet is not None
    (cause,) = report.fleet.causes
    assert (cause.workers, cause.of_workers, cause.hosts) == (2, 4, ("a", "b"))
    assert [report.fleet.host_of(incident.id) for incident in report.incidents] == ["a", "b"]
    assert [incident.pid for incident in report.incidents] == [7, 7]
    assert (
        "2 of 4 workers on all 2 hosts were blocked in the same call in start-up at 2026-03-01 14:02:30: migrate"
        in (report.verdict.summary)
    )


def test_replicas_of_one_file_are_hosts_of_their_own() -> None:
    workers = [worker(7, 0, 30, replica="web-1"), worker(7, 0, None, replica="web-2")]
    report = conclude_all(draw_partial(report_of(workers, [time_out(7, 30, replica="web-1")]), key="c.log", host="c"))
    assert report.fleet is not None
    assert [(one.host, one.workers, one.incidents) for one in report.fleet.sources] == [
        ("c/web-1", 1, 1),
        ("c/web-2", 1, 0),
    ]


def test_a_worker_that_is_replaced_and_hangs_again_is_one_of_its_host() -> None:
    """Three cycles of a restart loop of two workers: six processes, two workers."""
    lives = [worker(7 + 2 * cycle + n, 31 * cycle, 31 * cycle + 31) for cycle in range(3) for n in range(2)]
    report = conclude_all(
        draw_partial(report_of(lives, [time_out(w.pid, 31 * (w.pid // 2)) for w in lives]), key="a.log", host="a")
    )
    assert report.fleet is not None
    (cause,), (source,) = report.fleet.causes, report.fleet.sources
    assert (cause.workers, cause.of_workers, cause.incidents) == (2, 2, 6)
    assert (source.workers, source.lives) == (2, 6)


def test_of_many_incidents_some_are_shown_and_all_are_counted() -> None:
    partials = [
        draw_partial(
            report_of([worker(7, 0, None)], [time_out(7, at) for at in range(5)]), key=f"{n:03}.log", host=f"h{n:03}"
        )
        for n in range(60)
    ]
    report = conclude_all(*partials)
    assert report.fleet is not None
    assert len(report.incidents) == MAX_EXAMPLES_OF_A_CAUSE
    assert (report.fleet.incidents, report.fleet.incidents_left_out) == (300, 300 - MAX_EXAMPLES_OF_A_CAUSE)
    assert len({report.fleet.host_of(incident.id) for incident in report.incidents}) == MAX_EXAMPLES_OF_A_CAUSE
    assert len(report.fleet.causes[0].hosts) == 60


def test_one_call_in_two_kinds_of_incidents_is_one_cause() -> None:
    """gunicorn 21 times the worker out, gunicorn 27 lets it hang: the call is the same."""
    hang = replace(time_out(8, 40), kind=IncidentKind.STARTUP_HANG)
    report = conclude_all(
        draw_partial(report_of([worker(7, 0, 30)], [time_out(7, 30)]), key="a.log", host="a"),
        draw_partial(report_of([worker(8, 0, None)], [hang]), key="b.log", host="b"),
    )
    assert report.fleet is not None
    assert [(kind.what, kind.number) for kind in report.fleet.causes[0].kinds] == [
        ("startup_hang", 1),
        ("worker_timeout", 1),
    ]


def test_without_a_blame_the_words_make_the_cause_and_pids_do_not() -> None:
    partials = [
        draw_partial(report_of([worker(n, 0, 30)], [time_out(n, 30, call=None)]), key=f"{n}.log", host=f"h{n}")
        for n in (7, 8)
    ]
    report = conclude_all(*partials)
    assert report.fleet is not None
    (cause,) = report.fleet.causes
    assert (cause.call, cause.category, len(cause.hosts)) == (None, None, 2)
    assert "the evidence here does not show what they were blocked in" in report.verdict.summary


def test_a_master_in_a_recording_and_its_log_is_said_to_be_counted_twice() -> None:
    log = report_of([worker(7, 0, 30)], [time_out(7, 30)])
    recording = replace(log, source=Source("recording", None, ("a.jsonl",)))
    report = conclude_all(draw_partial(log, key="a.log", host="a"), draw_partial(recording, key="a.jsonl", host="a"))
    assert any(gap.what == "double" and "a.jsonl, gunicorn.log" in gap.why for gap in report.gaps)


def test_what_could_not_be_read_is_said_and_is_in_no_figure() -> None:
    report = conclude_all(
        draw_partial(report_of([worker(7, 0, None)], []), key="a.log", host="a"),
        draw_unread(("b.log",), "not allowed to read b.log", key="b.log", host="b"),
    )
    assert report.verdict.summary.endswith(
        "on 1 host. Not everything could be looked at (sources): see the gaps. 1 source could not be read."
    )
    assert report.verdict.confidence is Confidence.MEDIUM
    assert report.fleet is not None
    assert (report.fleet.hosts, report.fleet.unread[0].why) == (1, "not allowed to read b.log")
