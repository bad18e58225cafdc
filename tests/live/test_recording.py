"""What was watched and recorded can be analysed again, later and elsewhere, with the same report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.environments import NEWEST
from tests.live.gtdiag_command import run_gtdiag
from tests.live.hanging_start_up import hanging_start_up

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.mark.parametrize("version", ["21.2.0", NEWEST])
def test_analyze_of_a_recording_is_the_report_of_the_watch(version: str, tmp_path: Path) -> None:
    recording = tmp_path / "incident.jsonl"
    with hanging_start_up(tmp_path, version=version) as (gunicorn, _):
        watched = run_gtdiag("watch", str(gunicorn.pid), "--for", "8s", "--record", str(recording), "--format", "json")
    again = run_gtdiag("analyze", str(recording), "--format", "json")
    assert watched.status == again.status == 1
    live, replayed = watched.report(), again.report()
    assert live["incidents"]
    assert (live.pop("source")["kind"], replayed.pop("source")["kind"]) == ("live", "recording")
    assert replayed == live
    assert "secret" not in recording.read_text()


def test_what_a_killed_watch_recorded_is_kept(tmp_path: Path) -> None:
    recording = tmp_path / "cut.jsonl"
    events: list[dict[str, Any]] = []
    with hanging_start_up(tmp_path, workers=1, timeout_s=2) as (gunicorn, _):
        run_gtdiag("watch", str(gunicorn.pid), "--for", "5s", "--record", str(recording))
    whole = recording.read_bytes()
    recording.write_bytes(whole[: len(whole) - 7])
    events = [json.loads(line) for line in whole.splitlines()[1:-1]]
    assert {event["event"] for event in events} >= {"HeartbeatSample", "SuspendedSample", "WorkerBooted"}
    again = run_gtdiag("analyze", str(recording), "--format", "json")
    assert [incident["kind"] for incident in again.report()["incidents"]] == ["startup_hang"]
