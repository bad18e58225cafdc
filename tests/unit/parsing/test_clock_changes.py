"""Logs over a change of the clock on the wall: an hour written twice, an hour left out, with and without an offset."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gtdiag.cli.main import run

Capture = pytest.CaptureFixture[str]
LINES = (
    (100, "INFO", "Starting gunicorn 23.0.0"),
    (100, "INFO", "Listening at: http://127.0.0.1:8000 (100)"),
    (100, "INFO", "Using worker: sync"),
    (101, "INFO", "Booting worker with pid: 101"),
    (100, "CRITICAL", "WORKER TIMEOUT (pid:101)"),
    (100, "ERROR", "Worker (pid:101) was sent SIGKILL! Perhaps out of memory?"),
    (102, "INFO", "Booting worker with pid: 102"),
    (100, "CRITICAL", "WORKER TIMEOUT (pid:102)"),
)
FALL = ("2026-10-25 02:59:40",) * 4 + ("2026-10-25 02:00:10", "2026-10-25 02:00:11", "2026-10-25 02:00:12")
SPRING = ("2026-03-29 01:59:40",) * 4 + ("2026-03-29 03:00:10", "2026-03-29 03:00:11", "2026-03-29 03:00:12")
LATE = "2026-10-25 02:00:42", "2026-03-29 03:00:42"


def report(folder: Path, capsys: Capture, times: tuple[str, ...], offsets: tuple[str, str] | None) -> dict[str, Any]:
    rows = []
    for number, (time, (pid, level, text)) in enumerate(zip(times, LINES, strict=True)):
        offset = "" if offsets is None else " " + offsets[number >= 4]
        rows.append(f"[{time}{offset}] [{pid}] [{level}] {text}\n")
    (folder / "log").write_text("".join(rows))
    assert run(["analyze", "--exit-zero", "--format", "json", str(folder / "log")]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


def seconds(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


@pytest.mark.parametrize(
    ("times", "offsets"),
    [
        ((*FALL, LATE[0]), ("+0200", "+0100")),
        ((*FALL, LATE[0]), None),
        ((*SPRING, LATE[1]), ("+0100", "+0200")),
    ],
    ids=["hour twice, offsets", "hour twice, none", "hour left out, offsets"],
)
def test_a_worker_lived_for_half_a_minute(
    times: tuple[str, ...], offsets: tuple[str, str] | None, tmp_path: Path, capsys: Capture
) -> None:
    value = report(tmp_path, capsys, times, offsets)
    first, second = value["workers"]
    assert seconds(first["booted_at"], first["ended_at"]) == 31
    assert seconds(first["ended_at"], second["booted_at"]) == 1
    assert seconds(value["period"]["start"], value["period"]["end"]) == 62
    assert [incident["pid"] for incident in value["incidents"]] == [101, 102]
    assert seconds(value["incidents"][0]["at"], value["incidents"][1]["at"]) == 32
    said = [gap["why"] for gap in value["gaps"] if gap["what"] == "time_stamps"]
    assert any("an hour later" in why for why in said) == (offsets is None)
    assert first["ended_at"].startswith(times[5].replace(" ", "T")), "what is written is shown as it is written"


def test_an_hour_left_out_without_offsets_cannot_be_known(tmp_path: Path, capsys: Capture) -> None:
    """An hour in which nothing was logged looks the same; that the stamps have no offset is said."""
    value = report(tmp_path, capsys, (*SPRING, LATE[1]), None)
    assert seconds(value["workers"][0]["booted_at"], value["workers"][0]["ended_at"]) == 3631
    assert [gap["what"] for gap in value["gaps"]][:1] == ["time_stamps"]


@pytest.mark.parametrize(
    "back",
    ["2026-10-25 02:59:10", "2026-10-25 01:00:10", "2026-07-25 02:00:10", "2026-10-25 14:00:10"],
    ids=["out of order", "more than an hour", "in summer", "by day"],
)
def test_other_stamps_that_go_back_are_left_as_they_are(back: str, tmp_path: Path, capsys: Capture) -> None:
    first = back[:11] + ("14:59:40" if back[11:13] == "14" else "02:59:40")
    value = report(tmp_path, capsys, (first,) * 4 + (back,) * 4, None)
    assert not any("an hour later" in gap["why"] for gap in value["gaps"])
    assert all(not incident["at"].endswith("-01:00") for incident in value["incidents"])
