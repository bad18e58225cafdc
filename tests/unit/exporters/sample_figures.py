"""Figures as a watch of two workers gives them."""

from __future__ import annotations

from gtdiag.analysis import Analysis, IncidentNews
from gtdiag.analysis.metrics import MetricFold
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.metrics import MetricFamily, OwnCost
from tests.unit.analysis.story import Story, main_thread


def watched() -> tuple[tuple[MetricFamily, ...], tuple[IncidentNotice, ...]]:
    """One worker serves; one timed out in a request of its own and was killed."""
    story = Story()
    story.master(version="21.2.0", timeout_s=30, workers=2, worker_class="sync")
    story.boots(7, at=1)
    story.boots(8, at=1)
    story.beats(7, at=2, age_s=0.1, ever=True)
    story.beats(8, at=2, age_s=0.25, ever=True)
    requests = main_thread("app:view", "requests/sessions.py:Session.send")
    story.looks(7, 20, requests)
    story.looks(7, 29, requests)
    story.times_out(7, at=30)
    story.dies(7, at=31, signal="SIGKILL")
    story.exits(7, at=31, code=None)
    story.beats(8, at=40, age_s=0.5, ever=True)
    fold, analysis = MetricFold(), Analysis()
    for event in story.told:
        fold.add(event)
        analysis.add(event)
        fold.read(analysis.report())
    news = IncidentNews().read(analysis.report())
    fold.read(analysis.report(), news)
    return fold.families(OwnCost(1.5, 4096), {"otlp": 0}), news
