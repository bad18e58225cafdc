"""Of a log with very many troubled workers the first and the latest are read, and the rest is counted, exactly."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from gtdiag.analysis import Analysis
from gtdiag.collectors import crowded_log, log_blocks
from gtdiag.collectors.log_files import collect_log_events
from gtdiag.model.events import WorkersCounted
from gtdiag.model.report import Report

NOON = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
WORKERS = "/v/lib/python3.12/site-packages/gunicorn/workers"


def time_out(number: int, *, killed: bool) -> list[str]:
    pid = number + 20
    stamp = f"[{NOON + timedelta(seconds=35 * number):%Y-%m-%d %H:%M:%S} +0000]"
    ending = (
        [f"{stamp} [1] [ERROR] Worker (pid:{pid}) was sent SIGKILL! Perhaps out of memory?"]
        if killed
        else [
            f"{stamp} [{pid}] [ERROR] Error handling request /slow/{number}",
            "Traceback (most recent call last):",
            '  File "/srv/app/views.py", line 42, in slow',
            "    time.sleep(60)",
            f'  File "{WORKERS}/base.py", line 204, in handle_abort',
            "    sys.exit(1)",
            "SystemExit: 1",
            f"{stamp} [{pid}] [INFO] Worker exiting (pid: {pid})",
        ]
    )
    booting = f"{stamp} [{pid + 1}] [INFO] Booting worker with pid: {pid + 1}"
    return [f"{stamp} [1] [CRITICAL] WORKER TIMEOUT (pid:{pid})", *ending, booting]


def write_log(path: Path, time_outs: int, between: dict[int, list[str]] | None = None, *, killed: bool = False) -> Path:
    rows = [f"[{NOON:%Y-%m-%d %H:%M:%S} +0000] [1] [INFO] Starting gunicorn 23.0.0"]
    for number in range(time_outs):
        rows += (between or {}).get(number, [])
        rows += time_out(number, killed=killed)
    path.write_text("\n".join(rows) + "\n")
    return path


def report_of(path: Path, since: datetime | None = None) -> tuple[Report, int]:
    analysis, counted = Analysis(), 0
    for event in collect_log_events([str(path)], since=since):
        counted += isinstance(event, WorkersCounted)
        analysis.add(event)
    return analysis.report(), counted


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done with a hundred thousand is done with hundreds."""
    monkeypatch.setattr(crowded_log, "FIRST_WORKERS", 25)
    monkeypatch.setattr(crowded_log, "LATEST_BYTES", 16 << 10)
    monkeypatch.setattr(crowded_log, "LATEST_WORKERS", 12)
    monkeypatch.setattr(log_blocks.read_line_blocks, "__defaults__", (2048,))


@pytest.mark.parametrize("killed", [False, True], ids=["with tracebacks", "killed"])
def test_the_first_and_the_latest_are_read_and_every_other_one_is_counted(tmp_path: Path, killed: bool) -> None:
    report, counted = report_of(write_log(tmp_path / "error.log", 900, killed=killed))
    assert counted == 1
    pids = [incident.pid or 0 for incident in report.incidents]
    assert pids[:24] == list(range(20, 44)) and pids[-12:] == list(range(908, 920))
    assert len(pids) < 200
    assert report.verdict.summary.startswith("The first and the latest of 900 workers that had trouble: ")
    [gap] = [gap for gap in report.gaps if gap.what == "workers"]
    assert f"{900 - len(pids)} more workers" in gap.why and f"{900 - len(pids)} of them timed out" in gap.why
    assert "--since" in gap.hint
    if not killed:
        assert {incident.blocked.call for incident in report.incidents if incident.blocked} == {"slow"}, (
            "no call is judged from half a traceback"
        )


def test_lives_of_masters_and_kills_by_the_kernel_are_read_wherever_they_stand(tmp_path: Path) -> None:
    stamp = f"[{NOON + timedelta(seconds=35 * 450):%Y-%m-%d %H:%M:%S} +0000]"
    rare = [
        f"{stamp} [1] [INFO] Handling signal: term",
        f"{stamp} [1] [INFO] Shutting down: Master",
        f"{stamp} [2] [INFO] Starting gunicorn 22.0.0",
        "Killed process 8470 (gunicorn) total-vm:340852kB, anon-rss:63568kB",
    ]
    report, counted = report_of(write_log(tmp_path / "error.log", 900, {450: rare}))
    assert counted == 1
    assert {(master.master_pid, master.version) for master in report.masters} >= {(1, "23.0.0"), (2, "22.0.0")}
    assert [record.pid for record in report.kernel_oom_kills] == [8470]


def test_who_asks_for_a_part_gets_every_worker_of_it(tmp_path: Path) -> None:
    path = write_log(tmp_path / "error.log", 900)
    report, counted = report_of(path, since=NOON + timedelta(seconds=35 * 300))
    assert counted == 0
    assert [incident.pid for incident in report.incidents] == list(range(320, 920))


def test_trouble_far_apart_is_read_in_full(tmp_path: Path) -> None:
    chatter = {number: [f"10.0.0.1 - - GET /health {n} 200" for n in range(60)] for number in range(300)}
    report, counted = report_of(write_log(tmp_path / "error.log", 300, chatter))
    assert counted == 0
    assert len(report.incidents) == 300
