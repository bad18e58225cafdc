"""What `analyze -` and `compare` make of standard input: a log, or a recording, compressed or not."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gtdiag.model.events import ObservationEnded, ObservationStarted, WorkerBooted, WorkerTimedOut
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.recording.writer import RecordingWriter

AT = datetime(2026, 1, 1, tzinfo=timezone.utc)
WORKER = WorkerId(8, started_at_s=1.5)
LOG = b"""[2026-01-01 00:00:00 +0000] [7] [INFO] Starting gunicorn 23.0.0
[2026-01-01 00:00:00 +0000] [8] [INFO] Booting worker with pid: 8
[2026-01-01 00:00:30 +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:8)
"""


@pytest.fixture
def recording(tmp_path: Path) -> bytes:
    path = tmp_path / "a.jsonl"
    with RecordingWriter(str(path), {}) as writer:
        writer.write(ObservationStarted(origin=Origin("watch"), at=AT, kind="live", pid=7))
        writer.write(WorkerBooted(origin=Origin("log"), at=AT, worker=WORKER, master_pid=7))
        writer.write(WorkerTimedOut(origin=Origin("log"), at=AT, worker=WORKER, master_pid=7))
        writer.write(ObservationEnded(origin=Origin("watch"), at=AT))
    return path.read_bytes()


def analyze(data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "gtdiag", "analyze", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=False)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_recording_on_standard_input(recording: bytes, compressed: bool) -> None:
    data = gzip.compress(recording) if compressed else recording
    done = analyze(data, "-", "--format", "json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["source"]["kind"] == "recording"
    assert report["source"]["files"] == ["standard input"]
    assert [incident["kind"] for incident in report["incidents"]] == ["worker_timeout"]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_log_on_standard_input(compressed: bool) -> None:
    done = analyze(gzip.compress(LOG) if compressed else LOG, "-", "--format", "json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["source"]["kind"] == "log"
    assert [incident["kind"] for incident in report["incidents"]] == ["worker_timeout"]


def test_a_recording_on_standard_input_is_analyzed_by_itself(recording: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LOG)
    done = analyze(recording, "-", str(tmp_path / "a.log"))
    assert done.returncode == 2
    assert done.stderr.startswith(b"gtdiag: standard input is a recording; a recording is analyzed by itself")


def test_nothing_on_standard_input() -> None:
    done = analyze(b"", "-")
    assert done.returncode == 3
    assert b"standard input is empty" in done.stderr


def test_compare_takes_a_recording_on_standard_input_too(recording: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LOG)
    command = [sys.executable, "-m", "gtdiag", "compare", str(tmp_path / "a.log"), "-", "--format", "json"]
    done = subprocess.run(command, input=recording, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout)["after"]["kind"] == "recording"
