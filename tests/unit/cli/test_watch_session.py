"""A watch without a server: events in, recording, view and report out; how it ends."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from gtdiag.analysis import Analysis, IncidentNews
from gtdiag.cli import watch_session
from gtdiag.cli.event_log import EventLog, PlainLines
from gtdiag.cli.watch_session import WatchPlan, WatchSession
from gtdiag.cli.watch_views import JsonLines
from gtdiag.errors import LogReadError, RecordingError
from gtdiag.model.events import (
    Event,
    HeartbeatSample,
    MasterSettings,
    ObservationEnded,
    ObservationStarted,
    TracebackLogged,
    WorkerBooted,
    WorkerReady,
    WorkerTimedOut,
)
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.report import Report
from gtdiag.recording.reader import read_recording
from gtdiag.recording.writer import RecordingWriter
from tests.unit.renderers import sample_reports

START = datetime(2025, 7, 22, 15, 6, 3, tzinfo=timezone.utc)
MASTER, LOG = Origin("master"), Origin("log")
WORKER = WorkerId(7, started_at_s=1.0)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


BEFORE: list[Event] = [
    ObservationStarted(origin=MASTER, at=at(0), kind="live", pid=1, master_pid=1),
    MasterSettings(origin=MASTER, at=at(0), master_pid=1, version="21.2.0", timeout_s=30.0, workers=1),
    WorkerBooted(origin=MASTER, at=at(0), worker=WORKER, master_pid=1),
]
TIMED_OUT = WorkerTimedOut(origin=LOG, at=at(31), worker=WORKER, master_pid=1)


class Script:
    """Yields the given events, and ends when it is told to."""

    def __init__(self, events: list[Event], error: Exception | None = None) -> None:
        self._events = events
        self._error = error
        self.stopped: list[str] = []

    def stop(self, reason: str) -> None:
        self.stopped.append(reason)

    def events(self) -> Iterator[Event]:
        for event in self._events:
            if self.stopped:
                break
            yield event
        if self._error is not None:
            raise self._error
        yield ObservationEnded(origin=MASTER, at=at(40), reason=self.stopped[0] if self.stopped else "for")


class Silent:
    continuous = False

    def open(self, on_quit: Callable[[], None]) -> None:
        pass

    def say_stopping(self) -> None:
        pass

    def show_event(self, event: Event) -> None:
        pass

    def show_report(self, report: Report) -> None:
        pass

    def show_incident(self, notice: IncidentNotice) -> None:
        pass

    def close(self) -> None:
        pass


def plan(until_incident: int | None = None) -> WatchPlan:
    return WatchPlan(
        master_pid=1,
        log="none",
        for_s=None,
        until_incident=until_incident,
        interval_s=1.0,
        record=None,
        live=False,
        json_events=False,
    )


@pytest.fixture(autouse=True)
def a_report_after_each_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_session, "REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(watch_session, "FIRST_REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(watch_session, "PAUSE_PER_REPORT", 0)


def test_the_report_is_that_of_the_recording(tmp_path: Path) -> None:
    path = os.fspath(tmp_path / "watch.jsonl")
    with RecordingWriter(path, {}) as recorder:
        observation = WatchSession(plan(), Script([*BEFORE, TIMED_OUT]), Silent(), recorder).run()
    analysis = Analysis()
    for event in read_recording(path):
        analysis.add(event)
    assert observation.report.incidents
    assert analysis.report() == observation.report


def test_until_an_incident() -> None:
    script = Script([*BEFORE, TIMED_OUT, *BEFORE * 10])
    report = WatchSession(plan(until_incident=1), script, Silent(), None).run().report
    assert script.stopped == ["until_incident"]
    assert len(report.incidents) == 1


def test_until_more_incidents_than_there_are() -> None:
    script = Script([*BEFORE, TIMED_OUT])
    WatchSession(plan(until_incident=2), script, Silent(), None).run()
    assert script.stopped == []


def test_the_user_stops_it() -> None:
    script = Script(BEFORE * 3)
    session = WatchSession(plan(), script, Silent(), None)
    session.stop_by_user()
    session.stop_by_user()
    assert session.run().error is None
    assert script.stopped == ["interrupted"]


class FullDisk(RecordingWriter):
    def __init__(self) -> None:
        self.written = 0

    def write(self, event: Event) -> None:
        if self.written == 2:
            raise RecordingError("cannot go on writing the recording: No space left on device")
        self.written += 1


def test_a_full_disk_under_the_recording_ends_the_watch_and_keeps_what_was_seen() -> None:
    script, recorder = Script([*BEFORE, TIMED_OUT]), FullDisk()
    observation = WatchSession(plan(), script, Silent(), recorder).run()
    assert isinstance(observation.error, RecordingError)
    assert script.stopped == ["end"]
    assert recorder.written == 2
    assert [worker.pid for worker in observation.report.workers] == [7]


def test_an_error_of_the_collector_keeps_what_was_seen() -> None:
    observation = WatchSession(plan(), Script(BEFORE, LogReadError("gone")), Silent(), None).run()
    assert isinstance(observation.error, LogReadError)
    assert observation.report.workers


def test_an_error_before_anything_was_seen_is_raised() -> None:
    with pytest.raises(LogReadError):
        WatchSession(plan(), Script(BEFORE[:1], LogReadError("gone")), Silent(), None).run()


def test_a_reader_of_the_events_that_went_away_ends_the_watch_with_the_report() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    script = Script(BEFORE)
    observation = WatchSession(plan(), script, JsonLines(Closed(), redact=True), None).run()
    assert script.stopped == ["interrupted"]
    assert observation.error is None


def test_json_lines_are_the_encoding_of_the_recording() -> None:
    stream = io.StringIO()
    view = JsonLines(stream, redact=True)
    for event in BEFORE:
        view.show_event(event)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["ObservationStarted", "MasterSettings", "WorkerBooted"]


def test_secrets_in_json_lines_are_masked_unless_asked_for() -> None:
    event = TracebackLogged(origin=LOG, kind="abort", frames=(), path="/p?token=hunter2")
    for redact in (True, False):
        stream = io.StringIO()
        JsonLines(stream, redact=redact).show_event(event)
        assert ("hunter2" in stream.getvalue()) is not redact


def test_plain_lines() -> None:
    stream = io.StringIO()
    view = PlainLines(stream, redact=True)
    for event in [*BEFORE, TIMED_OUT]:
        view.show_event(event)
    view.show_report(sample_reports.silent_hang())
    view.show_report(sample_reports.silent_hang())
    lines = stream.getvalue().splitlines()
    assert lines[:4] == [
        "15:06:03 watching master 1",
        "15:06:03 gunicorn 21.2.0, 1 worker, timeout 30 s",
        "15:06:03 worker 7 booted",
        "15:06:34 worker 7 TIMED OUT: gunicorn saw no heartbeat and aborts it",
    ]
    assert [line.split()[1:5] for line in lines[4:]] == [
        ["worker", str(pid), "is", "blocked"] for pid in (101, 102, 103, 104)
    ], "each once"
    assert "15:06:34 worker 101 is blocked in verify_database_migrations" in stream.getvalue()


def test_each_incident_is_told_with_its_sentence_and_how_sure_it_is() -> None:
    report = sample_reports.silent_hang()
    stream = io.StringIO()
    view = PlainLines(stream, redact=True)
    for notice in IncidentNews().read(report, final=True):
        view.show_incident(notice)
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(report.incidents)
    assert f" INCIDENT startup_hang: {report.incidents[0].summary}; " in lines[0]
    assert lines[0].endswith("; confidence high")


def test_an_incident_is_one_more_json_line() -> None:
    stream = io.StringIO()
    WatchSession(plan(), Script([*BEFORE, TIMED_OUT]), JsonLines(stream, redact=True), None).run()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    [incident] = [line for line in lines if line["event"] == "Incident"]
    assert (incident["kind"], incident["pid"], incident["revision"]) == ("worker_timeout", 7, 1)
    assert incident["summary"].startswith("worker 7 timed out after 30 s")
    assert incident["category"] is incident["call"] is incident["peer"] is incident["confidence"] is None


def test_secrets_in_incidents_are_masked() -> None:
    report = sample_reports.silent_hang()
    secret = replace(report.incidents[0], summary="blocked in postgresql://app:hunter2@db/orders")
    for redact in (True, False):
        json_stream, plain_stream = io.StringIO(), io.StringIO()
        notice = IncidentNotice(at(0), secret)
        JsonLines(json_stream, redact=redact).show_incident(notice)
        PlainLines(plain_stream, redact=redact).show_incident(notice)
        assert ("hunter2" in json_stream.getvalue()) is not redact
        assert ("hunter2" in plain_stream.getvalue()) is not redact


def test_what_the_log_says_again_is_said_once() -> None:
    said: list[str] = []
    log = EventLog(said.append, ascii_only=False, redact=True)
    log.show_event(WorkerBooted(origin=MASTER, at=at(0), worker=WORKER))
    log.show_event(WorkerBooted(origin=LOG, at=at(1), worker=WorkerId(7, spawn=1)))
    log.show_event(WorkerTimedOut(origin=LOG, at=at(31), worker=WORKER))
    log.show_event(WorkerBooted(origin=LOG, at=at(32), worker=WorkerId(7, spawn=2)))
    assert [line.split(" ", 3)[3].split()[0] for line in said] == ["booted", "TIMED", "booted"]


def test_a_reader_of_the_progress_that_went_away_does_not_end_the_watch() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    PlainLines(Closed(), redact=True).show_event(BEFORE[0])


def test_while_all_is_well_samples_alone_are_no_reason_for_another_report(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(watch_session.time, "monotonic", lambda: clock[0])
    drawn: list[float] = []

    class Counting(Silent):
        def show_report(self, report: Report) -> None:
            drawn.append(clock[0])

    class Passing(Script):
        def events(self) -> Iterator[Event]:
            for event in super().events():
                clock[0] += 1.0
                yield event

    beats = [
        HeartbeatSample(origin=MASTER, at=at(1 + n), worker=WORKER, master_pid=1, age_s=0.1, ever=True)
        for n in range(90)
    ]
    late = replace(TIMED_OUT, at=at(95), worker=WORKER)
    script = Passing([*BEFORE, WorkerReady(origin=MASTER, at=at(1), worker=WORKER, master_pid=1), *beats, late])
    WatchSession(plan(until_incident=1), script, Counting(), None).run()
    quiet = [at_s for at_s in drawn if 110 <= at_s <= 190]
    assert len(quiet) <= 90 / watch_session.QUIET_REPORT_EVERY_S
    assert drawn[-1] == 195.0, "the time-out's own"
    assert script.stopped == ["until_incident"]
