"""Recordings of older versions are read for ever: each that is kept gives a report, and the facts that matter."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.environments import REPOSITORY
from tests.live.gtdiag_command import run_gtdiag

FOLDER = REPOSITORY / "fixtures" / "recordings"
RECORDINGS = sorted(FOLDER.iterdir())


def report_of(recording: Path) -> dict[str, Any]:
    report = run_gtdiag("analyze", str(recording), "--format", "json", "--rules", "none").report()
    return {**report, "gtdiag_version": None, "source": {**report["source"], "files": []}}


@pytest.mark.parametrize("folder", RECORDINGS, ids=lambda folder: folder.name)
def test_the_report_is_the_one_that_is_kept(folder: Path) -> None:
    report = report_of(folder / "recording.jsonl.gz")
    expected = folder / "expected.json"
    if os.environ.get("GTDIAG_WRITE_EXPECTED"):
        expected.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert report == json.loads(expected.read_text(encoding="utf-8"))


def test_the_oldest_tells_what_the_workers_hung_in() -> None:
    report = report_of(FOLDER / "oldest" / "recording.jsonl.gz")
    incidents = report["incidents"]
    assert [incident["kind"] for incident in incidents] == ["worker_timeout"] * 6
    assert {incident["blocked"]["call"] for incident in incidents} == {"verify_database_migrations"}
    assert {incident["blocked"]["category"] for incident in incidents} == {"database"}
    assert {pattern["kind"] for pattern in report["patterns"]} >= {"restart_loop", "startup_contention"}
    [gap] = [gap for gap in report["gaps"] if gap["what"] == "recording"]
    assert "breaks off" in gap["why"]
