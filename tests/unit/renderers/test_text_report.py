from __future__ import annotations

import dataclasses
import re

import pytest

from gtdiag.model.report import Request, Worker
from gtdiag.renderers.layout import cell_width
from gtdiag.renderers.report_words import MAX_WORKER_ROWS
from gtdiag.renderers.text import render_text
from tests.unit.renderers import sample_reports
from tests.unit.renderers.screen_files import assert_screen

SGR = re.compile(r"\x1b\[[0-9;]*m")
EACH_REPORT = pytest.mark.parametrize("name", sample_reports.REPORTS)


@EACH_REPORT
def test_the_text_as_it_is_read_at_80_columns(name: str) -> None:
    assert_screen(f"report_{name}", render_text(sample_reports.REPORTS[name]()))


@EACH_REPORT
@pytest.mark.parametrize("width", [40, 80, 132])
def test_no_line_is_wider_than_the_page(name: str, width: int) -> None:
    lines = render_text(sample_reports.REPORTS[name](), width=width).splitlines()
    assert max(cell_width(line) for line in lines) <= width


@EACH_REPORT
def test_colour_changes_nothing_but_colour(name: str) -> None:
    report = sample_reports.REPORTS[name]()
    coloured = render_text(report, colour=True)
    assert "\x1b[" in coloured
    assert SGR.sub("", coloured) == render_text(report)


@EACH_REPORT
def test_nothing_of_the_data_reaches_the_terminal_unescaped(name: str) -> None:
    text = render_text(sample_reports.REPORTS[name](), ascii=True)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    coloured = SGR.sub("", render_text(sample_reports.REPORTS[name](), colour=True))
    assert coloured.replace("\n", "").isprintable()


def test_one_call_in_many_workers_is_told_once_with_all_pids() -> None:
    text = render_text(sample_reports.restart_loop())
    assert text.count("blocked in   verify_database_migrations") == 1
    assert "pid 7, 8, 9, 10, 11, 12, 13, 14" in text
    assert "27.4 s to 28.0 s" in text


def test_the_verdict_is_the_first_thing_and_the_application_stands_out() -> None:
    text = render_text(sample_reports.restart_loop())
    assert text.startswith("4 of 4 workers were killed in start-up")
    marked = [line.split()[1] for line in text.splitlines() if line.startswith("    >>")]
    assert marked == ["lifespan", "verify_database_migrations"]


def test_different_reasons_are_not_thrown_together() -> None:
    report = sample_reports.boot_failure()
    other = dataclasses.replace(report.incidents[0], id="i2", pid=12, summary="worker 12 could not start: KeyError")
    summary = report.incidents[0].summary.replace("11", "13")
    same = dataclasses.replace(report.incidents[0], id="i3", pid=13, summary=summary)
    text = render_text(dataclasses.replace(report, incidents=(report.incidents[0], other, same)))
    assert "pid 11, 13" in text
    assert "2. boot failure" in text


def test_what_is_left_out_is_said() -> None:
    report = sample_reports.restart_loop()
    worker = report.workers[0]
    many = tuple(dataclasses.replace(worker, pid=n, blocked=None) for n in range(100, 200))
    text = render_text(dataclasses.replace(report, workers=(*many, worker)))
    assert f"{101 - MAX_WORKER_ROWS} more workers in --format json" in text
    assert "\n  7  " in text, "the worker that is blocked must not be among those left out"


def test_a_worker_that_went_on_by_itself() -> None:
    report = sample_reports.silent_hang()
    resolved = dataclasses.replace(report.incidents[0], resolved_at=sample_reports.at(45))
    assert "went on by itself at 15:06:48" in render_text(dataclasses.replace(report, incidents=(resolved,)))


def test_unknown_times_and_numbers_are_no_error() -> None:
    report = sample_reports.nothing_found()
    worker: Worker = dataclasses.replace(report.workers[0], booted_at=None, startup_s=None)
    period = dataclasses.replace(report.period, start=None, end=None)
    text = render_text(dataclasses.replace(report, workers=(worker,), period=period))
    assert "period" not in text


def test_requests_in_flight_are_listed_the_longest_first() -> None:
    report = sample_reports.silent_hang()
    first, second, *others = report.workers
    slow = Request("GET", "/slow?page=***", 12.5, "10.0.0.9", "abc-1")
    workers = (
        dataclasses.replace(first, requests=(Request("POST", "/orders", None),)),
        dataclasses.replace(second, requests=(slow,) * 10),
        *others,
    )
    lines = render_text(dataclasses.replace(report, workers=workers), width=100).splitlines()
    at = next(number for number, line in enumerate(lines) if "requests in flight" in line.lower())
    block = "\n".join(lines[at:])
    assert f"pid {second.pid}" in lines[at + 1] + lines[at + 2]
    assert "GET /slow?page=***, for 12.5 s, from 10.0.0.9, id abc-1" in block
    assert "1 more in --format json" in block
    assert "requests in flight" not in render_text(report, width=100).lower()
