from __future__ import annotations

from dataclasses import replace

from gtdiag.analysis import IncidentNews
from gtdiag.analysis.incident_news import MAX_REVISIONS
from gtdiag.model.report import IncidentKind, KilledBy
from tests.unit.analysis.story import LIFESPAN, LOOP, Story, main_thread, task


def a_time_out() -> Story:
    story = Story()
    story.master(version="21.2.0", timeout_s=30)
    story.boots(7, at=0)
    story.looks(7, 20, main_thread(*LOOP), tasks=(task(*LIFESPAN, "app:connect", "asyncpg/connection.py:connect"),))
    story.looks(7, 29, main_thread(*LOOP), tasks=(task(*LIFESPAN, "app:connect", "asyncpg/connection.py:connect"),))
    story.times_out(7, at=30)
    return story


def test_an_incident_is_told_once_when_the_evidence_had_time_to_arrive() -> None:
    story, news = a_time_out(), IncidentNews()
    assert news.read(story.report()) == ()
    story.dies(7, at=31, signal="SIGKILL")
    story.beats(8, at=34, age_s=0.1, ever=True)
    [notice] = news.read(story.report())
    assert notice.incident.kind is IncidentKind.WORKER_TIMEOUT
    assert notice.incident.killed_by is KilledBy.GUNICORN
    assert notice.incident.blocked is not None and notice.incident.blocked.call == "connect"
    assert (notice.at, notice.revision) == (story.report().period.end, 1)
    assert news.read(story.report()) == ()


def test_at_the_end_nothing_is_held_back() -> None:
    [notice] = IncidentNews().read(a_time_out().report(), final=True)
    assert notice.incident.pid == 7


def test_what_changes_is_told_again() -> None:
    story, news = Story(), IncidentNews()
    story.master(version="27.0.1", timeout_s=30)
    story.boots(7, at=0)
    story.beats(7, at=31, age_s=31, ever=False)
    story.beats(7, at=36, age_s=36, ever=False)
    assert [notice.revision for notice in news.read(story.report())] == [1]
    story.beats(7, at=40, age_s=0.5, ever=True)
    story.ready(7, at=40)
    [notice] = news.read(story.report())
    assert notice.revision == 2
    assert notice.incident.resolved_at is not None


def test_a_worker_that_goes_from_call_to_call_is_not_told_for_ever() -> None:
    news, report = IncidentNews(), a_time_out().report()
    [incident] = report.incidents
    assert incident.blocked is not None
    told = 0
    for turn in range(3 * MAX_REVISIONS):
        other = replace(incident, blocked=replace(incident.blocked, call=f"step_{turn}"))
        told += len(news.read(replace(report, incidents=(other,)), final=True))
    assert told == MAX_REVISIONS


def test_nothing_is_remembered_of_what_the_report_has_forgotten() -> None:
    news = IncidentNews()
    news.read(a_time_out().report(), final=True)
    news.read(Story().report())
    assert not news._told
