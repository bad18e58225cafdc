"""The schema of `--json-events`: it is that of the classes, and it takes every line and no other."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import datetime, timezone

import jsonschema
import pytest

from gtdiag.cli.watch_views import JsonLines
from gtdiag.model.events import EVENT_CLASSES, CollectionGap, WorkerBooted
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.renderers.json_report import read_schema
from tests.event_schema import render_schema
from tests.unit.analysis.story import LIFESPAN, LOOP, Story, main_thread, task, to_peer
from tests.unit.renderers import sample_reports

AT = datetime(2025, 7, 22, 15, 6, 3, tzinfo=timezone.utc)


def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(read_schema("event")))


def lines() -> Iterator[str]:
    story = Story()
    story.master(timeout_s=30)
    story.boots(7, at=0)
    story.beats(7, at=29, age_s=29, ever=False)
    story.looks(7, 29, main_thread(*LOOP), tasks=(task(*LIFESPAN, "app:f"),), sockets=(to_peer("10.0.0.5:5432"),))
    story.times_out(7, at=30)
    story.traceback(7, 30, "app:view", "std/time.py:sleep")
    story.dies(7, at=31, signal="SIGKILL")
    story.ends(at=40)
    stream = io.StringIO()
    view = JsonLines(stream, redact=True)
    for event in story.told:
        view.show_event(event)
    for incident in sample_reports.silent_hang().incidents:
        view.show_incident(IncidentNotice(AT, incident))
    yield from stream.getvalue().splitlines()


def test_the_schema_is_up_to_date() -> None:
    assert read_schema("event") == render_schema(), "python -m tests.event_schema"


def test_it_names_every_event() -> None:
    named = {one["properties"]["event"]["const"] for one in json.loads(read_schema("event"))["oneOf"]}
    assert named == {cls.__name__ for cls in EVENT_CLASSES} | {"Incident"}


@pytest.mark.parametrize("line", list(lines()), ids=lambda line: str(json.loads(line)["event"]))
def test_every_line_fits(line: str) -> None:
    validator().validate(json.loads(line))


@pytest.mark.parametrize(
    "line",
    [
        '{"event":"WorkerVanished"}',
        '{"event":"CollectionGap","origin":{"source":"log"},"what":"log"}',
        '{"event":"WorkerBooted","origin":{"source":"log"},"at":5}',
        '{"event":"Incident","kind":"worker_timeout"}',
        "{}",
    ],
)
def test_other_lines_do_not(line: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validator().validate(json.loads(line))


def test_a_field_that_has_its_default_is_left_out() -> None:
    stream = io.StringIO()
    view = JsonLines(stream, redact=True)
    view.show_event(WorkerBooted(origin=Origin("log"), at=AT, worker=WorkerId(7)))
    view.show_event(CollectionGap(origin=Origin("log"), what="log", why="gone"))
    assert [sorted(json.loads(line)) for line in stream.getvalue().splitlines()] == [
        ["at", "event", "origin", "worker"],
        ["event", "origin", "what", "why"],
    ]
