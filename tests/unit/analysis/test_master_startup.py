"""A master that loads the application itself: what the report says before the time-out, after it, and in the end."""

from __future__ import annotations

from gtdiag.model.report import Confidence, IncidentKind, Phase
from tests.unit.analysis.story import LOOP, MASTER, Story, main_thread, task

LOADING = ("gunicorn/app/base.py:Application.run", "gunicorn/arbiter.py:Arbiter.setup")
STUCK = (*LOADING, "app:<module>", "app:open_database", "psycopg2/__init__.py:connect")


def loading(*looks_at: float) -> Story:
    story = Story()
    story.master(version="27.0.1", timeout_s=30)
    story.master_process(at=0, preload=True)
    for at in looks_at:
        story.looks_at_master(at, main_thread(*STUCK))
    return story


def test_before_the_time_out_the_verdict_says_how_long_and_in_what() -> None:
    story = loading(10, 12)
    story.ends(at=12)
    report = story.report()
    assert report.incidents == ()
    assert report.verdict.summary.startswith(
        f"Nothing found yet: master {MASTER} has been loading the application for 12 s, blocked in open_database"
    )


def test_after_the_time_out_it_is_an_incident_with_blame_and_remedy() -> None:
    story = loading(20, 30, 40)
    story.ends(at=40)
    report = story.report()
    (incident,) = report.incidents
    assert (incident.kind, incident.phase, incident.master_pid) == (IncidentKind.MASTER_HANG, Phase.STARTUP, MASTER)
    assert incident.blocked is not None
    assert (incident.blocked.call, incident.blocked.category.value) == ("open_database", "database")
    assert incident.blocked.confidence is Confidence.HIGH
    assert "40 s (time-out 30 s)" in report.verdict.summary
    assert "GT-R24" in [remedy.id for remedy in report.verdict.remedies]


def test_the_first_worker_ends_it() -> None:
    story = loading(20, 40)
    story.boots(7, at=45)
    report = story.report()
    (incident,) = report.incidents
    assert incident.resolved_at is not None
    story = loading(20)
    story.boots(7, at=25)
    report = story.report()
    assert report.incidents == ()
    assert "loading" not in report.verdict.summary


def test_a_loop_that_the_import_runs() -> None:
    story = loading()
    inside = (*LOADING, "app:<module>", *LOOP[2:])
    for at in (32, 34):
        story.looks_at_master(at, main_thread(*inside), tasks=(task("app:prepare", "asyncpg/connection.py:connect"),))
    story.ends(at=34)
    incident = story.incident()
    assert incident.blocked is not None
    assert incident.blocked.path == ("<module>", "prepare")


def test_one_glance_at_a_master_that_cannot_be_looked_into_says_nothing() -> None:
    story = Story()
    story.master_process(at=-100, preload=True)
    story.ends(at=1)
    report = story.report()
    assert report.incidents == ()
    assert "loading" not in report.verdict.summary


def test_a_hook_that_does_not_return() -> None:
    story = Story()
    story.master(version="27.0.1", timeout_s=30)
    story.master_process(at=0, preload=False)
    arbiter = (
        "gunicorn/app/base.py:Application.run",
        "gunicorn/arbiter.py:Arbiter.run",
        "gunicorn/arbiter.py:Arbiter.start",
    )
    for at in (20, 40):
        story.looks_at_master(at, main_thread(*arbiter, "app:on_starting", "psycopg2/__init__.py:connect"))
    story.ends(at=40)
    (incident,) = story.report().incidents
    assert incident.kind is IncidentKind.MASTER_HANG
    assert incident.blocked is not None
    assert incident.blocked.call == "on_starting"
    assert "in a server hook for 40 s" in incident.summary
    assert "preload" not in incident.summary


def test_a_master_between_two_generations_of_workers_is_in_no_hook() -> None:
    story = Story()
    story.master(version="27.0.1", timeout_s=30)
    story.master_process(at=0, preload=False)
    arbiter = (
        "gunicorn/app/base.py:Application.run",
        "gunicorn/arbiter.py:Arbiter.run",
        "gunicorn/arbiter.py:Arbiter.start",
    )
    for at in (20, 40):
        story.looks_at_master(at, main_thread(*arbiter, "gunicorn/sock.py:create_sockets"))
    story.ends(at=40)
    assert story.report().incidents == ()
