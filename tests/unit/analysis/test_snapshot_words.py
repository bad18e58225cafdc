"""One look at workers that are still starting: nothing has happened yet, and the verdict says what they are in."""

from __future__ import annotations

import pytest

from gtdiag.model.report import Confidence
from tests.unit.analysis.story import Story, main_thread


def snapshot(version: str) -> Story:
    story = Story()
    story.master(version=version, timeout_s=30, workers=2)
    for pid in (7, 8):
        story.boots(pid, at=0)
        story.beats(pid, at=20, age_s=20, ever=False)
        story.looks(pid, 20, main_thread("app:load_flags", "requests/api.py:get"))
    story.ends(20)
    return story


@pytest.mark.parametrize(("version", "killed"), [("21.2.0", True), ("23.0.0", False)])
def test_what_the_workers_are_in_and_how_long_they_have(version: str, killed: bool) -> None:
    verdict = snapshot(version).report().verdict
    assert "2 of 2 are now in load_flags (http: requests get)" in verdict.summary
    assert ("gunicorn times out the first of them in 10 s" in verdict.summary) == killed
    assert verdict.confidence is Confidence.MEDIUM
