"""Four times the incidents cost four times the work, counted in bytecode instructions: no clock, no luck."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import FrameType
from typing import Any

import pytest

from gtdiag.analysis import Analysis, IncidentNews, population
from gtdiag.parsing.log_parser import LogParser
from gtdiag.renderers.formats import RENDERERS, ReportFormat
from gtdiag.renderers.material import ReportMaterial
from gtdiag.renderers.page import Page

FEW, MANY = 70, 280
MOST_FOR_FOUR_TIMES = 4.3
"""Linear is 4.0; sorting adds a little, a look at every incident for every incident makes 16."""


def time_out(number: int, stamp: str) -> list[str]:
    pid = number + 20
    return [
        f"{stamp} [1] [CRITICAL] WORKER TIMEOUT (pid:{pid})",
        f"{stamp} [{pid}] [ERROR] Error handling request /slow/{number}",
        "Traceback (most recent call last):",
        '  File "/srv/app/views.py", line 42, in slow',
        "    time.sleep(60)",
        '  File "/v/lib/python3.12/site-packages/gunicorn/workers/base.py", line 204, in handle_abort',
        "    sys.exit(1)",
        "SystemExit: 1",
        f"{stamp} [{pid}] [INFO] Worker exiting (pid: {pid})",
        f"{stamp} [{pid + 1}] [INFO] Booting worker with pid: {pid + 1}",
    ]


def kill(number: int, stamp: str) -> list[str]:
    pid = number + 20
    return [
        f"{stamp} [{pid}] [INFO] Booting worker with pid: {pid}",
        f"{stamp} [1] [ERROR] Worker (pid:{pid}) was sent SIGKILL! Perhaps out of memory?",
    ]


def boot_failure(number: int, stamp: str) -> list[str]:
    pid = number + 20
    return [
        f"{stamp} [{pid}] [INFO] Booting worker with pid: {pid}",
        f"{stamp} [{pid}] [ERROR] Exception in worker process",
        "Traceback (most recent call last):",
        '  File "/srv/app/main.py", line 3, in <module>',
        "    import missing",
        "ModuleNotFoundError: No module named 'missing'",
        f"{stamp} [{pid}] [INFO] Worker exiting (pid: {pid})",
    ]


def restart(number: int, stamp: str) -> list[str]:
    master, worker = 2 * number + 2, 2 * number + 3
    return [
        f"{stamp} [{master}] [INFO] Starting gunicorn 23.0.0",
        f"{stamp} [{master}] [INFO] Listening at: http://0.0.0.0:8000 ({master})",
        f"{stamp} [{master}] [INFO] Using worker: sync",
        f"{stamp} [{worker}] [INFO] Booting worker with pid: {worker}",
        f"{stamp} [{master}] [CRITICAL] WORKER TIMEOUT (pid:{worker})",
        f"{stamp} [{master}] [INFO] Handling signal: term",
        f"{stamp} [{master}] [INFO] Shutting down: Master",
    ]


def recycling(number: int, stamp: str) -> list[str]:
    pid = number + 20
    return [
        f"{stamp} [{pid}] [INFO] Booting worker with pid: {pid}",
        f"{stamp} [{pid}] [INFO] Autorestarting worker after current request.",
        f"{stamp} [{pid}] [INFO] Worker exiting (pid: {pid})",
        f"{stamp} [1] [ERROR] Worker (pid:{pid}) exited with code 0" if number % 2 else "",
    ]


def replica(number: int, stamp: str) -> list[str]:
    return [f"web-{number}  | {line}" for line in time_out(0, stamp)]


STORIES = (time_out, kill, boot_failure, restart, replica)


def log_of(story: Callable[[int, str], list[str]], count: int) -> list[str]:
    noon = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
    rows = ["[2026-01-05 12:00:00 +0000] [1] [INFO] Starting gunicorn 23.0.0"] if story is not restart else []
    for number in range(count):
        rows += story(number, f"[{noon + timedelta(seconds=35 * number):%Y-%m-%d %H:%M:%S} +0000]")
    return rows


def count_instructions(work: Callable[[], Any]) -> int:
    """How many bytecode instructions of gtdiag's some work takes."""
    counted = 0

    def count(frame: FrameType, event: str, _: object) -> Any:
        nonlocal counted
        if event == "call":
            if not frame.f_code.co_filename.startswith(_PACKAGE):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            return count
        counted += event == "opcode"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
    return counted


_PACKAGE = sys.modules["gtdiag"].__path__[0]


def analyze_log(rows: list[str]) -> Analysis:
    parser, analysis = LogParser("x.log"), Analysis()
    for number, row in enumerate(rows, start=1):
        for event in parser.feed(row, number):
            analysis.add(event)
    for event in parser.flush():
        analysis.add(event)
    return analysis


def analyze(rows: list[str], report_format: ReportFormat) -> tuple[str, int]:
    report = analyze_log(rows).report()
    return RENDERERS[report_format](ReportMaterial(report), Page()), len(report.incidents)


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done when there are very many is done from the first on."""
    monkeypatch.setattr(population, "_MOST_LIVES", 20)
    monkeypatch.setattr(population, "_LATEST_LIVES", 10)


@pytest.mark.parametrize("report_format", [ReportFormat.TEXT, ReportFormat.JSON])
@pytest.mark.parametrize("story", STORIES, ids=[story.__name__ for story in STORIES])
def test_the_work_grows_no_faster_than_the_incidents(
    story: Callable[[int, str], list[str]], report_format: ReportFormat
) -> None:
    assert analyze(log_of(story, FEW), report_format)[1] >= FEW, "each chapter makes an incident; caches are warm now"
    few, many = (count_instructions(lambda n=n: analyze(log_of(story, n), report_format)) for n in (FEW, MANY))
    assert many / few < MOST_FOR_FOUR_TIMES


def test_workers_that_leave_by_themselves_are_not_kept_for_ever() -> None:
    analysis = analyze_log(log_of(recycling, 400))
    report = analysis.report()
    assert not report.incidents
    assert len(report.workers) < 60
    assert report.workers[-1].pid == 419


def test_of_very_many_with_trouble_the_first_and_the_latest_are_kept_and_the_others_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(population, "_MOST_TROUBLED_LIVES", 60)
    monkeypatch.setattr(population, "_FIRST_TROUBLED_LIVES", 15)
    rows, parser, analysis = log_of(time_out, 400), LogParser(), Analysis()
    news, told = IncidentNews(), Counter[int | None]()
    for number, row in enumerate(rows, start=1):
        for event in parser.feed(row, number):
            analysis.add(event)
        if number % 20 == 0:  # a watch draws reports all the time
            told.update(notice.incident.pid for notice in news.read(analysis.report(), final=True))
    report = analysis.report()
    pids = [incident.pid for incident in report.incidents]
    assert pids[:15] == list(range(20, 35)) and pids[-10:] == list(range(410, 420))
    assert 40 <= len(pids) <= 90
    [gap] = [gap for gap in report.gaps if gap.what == "workers"]
    assert f"{400 - len(pids)} more workers that ended between 2026-01-05 " in gap.why
    assert report.verdict.summary.startswith("The first and the latest of 400 workers that had trouble: ")
    assert f", {400 - len(pids)} of them timed out" in gap.why and "--since" in gap.hint
    assert set(told) == set(range(20, 420)) and max(told.values()) <= 2, (
        "each is told of once, and once more when killed"
    )


def test_trouble_is_kept_however_many_workers_came_and_went() -> None:
    rows = log_of(recycling, 300)
    pieces = [rows[:1], *(story(2000 + n, f"[2026-01-05 12:00:{n:02d} +0000]") for n, story in enumerate(STORIES[:3]))]
    report = analyze_log([*(row for piece in pieces for row in piece), *rows[1:]]).report()
    assert sorted(incident.pid or 0 for incident in report.incidents) == [2020, 2021, 2022]
