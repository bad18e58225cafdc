"""Of a log with very many troubled workers the first and the latest are read, and the rest is counted, exactly."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtdiag.analysis import Analysis
from gtdiag.collectors import crowd_count, crowded_log, log_blocks
from gtdiag.collectors.crowd_count import CrowdCounter
from gtdiag.collectors.literal_search import search_places_of, search_places_one_by_one
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
    monkeypatch.setattr(crowded_log, "MOST_HELD_BYTES", 16 << 10)
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


def test_what_those_that_were_only_counted_were_blocked_in_is_said(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    rows = [f"[{NOON:%Y-%m-%d %H:%M:%S} +0000] [1] [INFO] Starting gunicorn 23.0.0"]
    for number in range(900):
        lines = time_out(number, killed=False)
        if 300 <= number < 500:  # in the middle it was another call
            lines = [line.replace("views.py", "reports.py").replace("in slow", "in monthly") for line in lines]
        rows += lines
    path.write_text("\n".join(rows) + "\n")
    report, counted = report_of(path)
    assert counted == 1
    assert not any(i.blocked and i.blocked.call == "monthly" for i in report.incidents)
    [gap] = [gap for gap in report.gaps if gap.what == "workers"]
    told = {call: int(times) for times, call in re.findall(r"(\d+) in (\w+) \(/srv/app/\w+\.py:42\)", gap.why)}
    assert set(told) == {"slow", "monthly"}
    # A traceback that lies across two blocks (of 2 kB here, of 1 MB else) is not looked at.
    assert 100 < told["monthly"] <= 200 < told["slow"] < 700


SENTENCES = st.sampled_from(
    [
        "[2026-01-05 12:00:00 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:%d)",
        "[2026-01-05 12:00:01 +0000] [1] [ERROR] Worker (pid:%d) was sent SIGKILL! Perhaps out of memory?",
        "[2026-01-05 12:00:01 +0000] [1] [ERROR] Worker (pid:%d) exited with code 1",
        "[2026-01-05 12:00:01 +0000] [1] [ERROR] Worker (pid:%d) exited with code 0",
        "[2026-01-05 12:00:01 +0000] [1] [WARNING] Worker with pid %d was terminated due to signal 9",
        "[2026-01-05 12:00:01 +0000] [%d] [ERROR] Exception in worker process",
        "[2026-01-05 12:00:01 +0000] [9] [INFO] Booting worker with pid: %d",
        "[2026-01-05 12:00:01 +0000] [9] [INFO] Worker exiting (pid: %d)",
        "worker (pid:%d) was never sent",
        "[2026-01-05 12:00:01 +0000] [%d] [INFO] Handling signal: hup",
    ]
)


@given(st.lists(st.tuples(SENTENCES, st.integers(10, 13)), max_size=40))
def test_a_block_is_counted_alike_by_its_lines_and_as_a_whole(lines: list[tuple[str, int]]) -> None:
    block = "".join(f"{sentence % pid}\n" for sentence, pid in lines).encode()
    starts = [0, *(place.end() for place in re.finditer(rb"\n", block))][:-1]
    whole, its_lines = CrowdCounter(), CrowdCounter()
    counted = whole.count(block)
    assert its_lines.count(block, starts) == counted
    troubled: set[int] = set()  # by hand, of those that have not been booted again
    workers = timed_out = 0
    said: set[int] = set()
    for sentence, pid in lines:
        if "Booting" in sentence:
            troubled.discard(pid)
            said.discard(pid)
        elif any(word in sentence for word in ("TIMEOUT", "was sent", "code 1", "terminated", "Exception")):
            workers += pid not in troubled
            troubled.add(pid)
            if "TIMEOUT" in sentence:
                timed_out += pid not in said
                said.add(pid)
    assert (counted[0].workers, counted[0].timed_out) == (workers, timed_out)
    assert [block[start:].split(b"\n")[0].endswith(b"signal: hup") for start in counted[1]] == [
        True for sentence, _ in lines if "Handling signal" in sentence
    ]


def test_the_places_are_the_same_without_ahocorasick() -> None:
    pytest.importorskip("ahocorasick_rs")
    literals = crowd_count._LITERALS
    chance = random.Random(1)
    pieces = [*literals, b"\n", b"x", b"Worker (", b"Starting guni", b"in handle", b"pid:12)"]
    block = b"".join(chance.choice(pieces) for _ in range(5000))
    assert list(search_places_of(literals)(block)) == search_places_one_by_one(literals)(block)
