from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from gtdiag.model.report import Phase, Report, Worker, WorkerEnd
from gtdiag.renderers.layout import cell_width
from gtdiag.renderers.live_view import LiveScreen, Size, render_live
from tests.unit.renderers import sample_reports
from tests.unit.renderers.screen_files import assert_screen

EVENTS = [f"15:06:{second:02d} worker {second} booted" for second in range(12)]


def draw(report: Report, columns: int, rows: int, *, ascii: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=columns, height=rows, color_system=None, legacy_windows=False)
    console.print(render_live(report, EVENTS, Size(columns, rows), ascii=ascii))
    return stream.getvalue()


def one_of_each() -> Report:
    """A worker of each kind of trouble, given in an order in which they must not be shown."""
    base = sample_reports.silent_hang()
    hanging = base.workers[0]
    healthy: Worker = dataclasses.replace(
        hanging, pid=201, ordinal=5, phase=Phase.SERVING, blocked=None, heartbeat_age_s=0.4, first_heartbeat_seen=True
    )
    starting = dataclasses.replace(healthy, pid=202, ordinal=6, phase=Phase.STARTUP, first_heartbeat_seen=False)
    dead = dataclasses.replace(healthy, pid=203, ordinal=2, end=WorkerEnd.SIGNAL, end_signal="SIGSEGV")
    return dataclasses.replace(base, workers=(dead, healthy, starting, hanging))


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 30), (50, 14)])
@pytest.mark.parametrize("name", ["restart_loop", "silent_hang", "nothing_found", "hostile"])
def test_screens(name: str, columns: int, rows: int) -> None:
    assert_screen(f"live_{name}_{columns}x{rows}", draw(sample_reports.REPORTS[name](), columns, rows))


@pytest.mark.parametrize(("columns", "rows"), [(20, 5), (40, 10), (80, 24), (200, 60)])
@pytest.mark.parametrize("name", sample_reports.REPORTS)
def test_it_fits_the_window(name: str, columns: int, rows: int) -> None:
    lines = draw(sample_reports.REPORTS[name](), columns, rows).splitlines()
    assert max(cell_width(line) for line in lines) <= columns
    if rows >= 10:
        assert len(lines) <= rows


def test_those_that_need_attention_come_first() -> None:
    assert_screen("live_one_of_each_120x20", draw(one_of_each(), 120, 20))
    rows = [line.split()[0] for line in draw(one_of_each(), 120, 20).splitlines() if line[:3].strip().isdigit()]
    assert rows[:4] == ["101", "202", "201", "203"]


def test_many_workers_are_counted_where_they_do_not_fit() -> None:
    report = sample_reports.silent_hang()
    many = tuple(dataclasses.replace(report.workers[0], pid=n, ordinal=n) for n in range(1000, 1064))
    text = draw(dataclasses.replace(report, workers=many), 80, 24)
    shown = sum(line.startswith("10") for line in text.splitlines())
    assert f"... and {64 - shown} more workers" in text


def test_markup_in_data_is_data() -> None:
    report = one_of_each()
    worker = dataclasses.replace(report.workers[0], end_signal="[bold]x[/bold]")
    text = draw(dataclasses.replace(report, workers=(worker,)), 80, 24)
    assert "[bold]x[/bold]" in text


@pytest.mark.parametrize("name", sample_reports.REPORTS)
def test_nothing_unescaped(name: str) -> None:
    text = draw(sample_reports.REPORTS[name](), 80, 24, ascii=True)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()


def test_the_screen_is_laid_out_again_for_the_window_it_is_drawn_in() -> None:
    screen = LiveScreen(report=sample_reports.silent_hang(), recent_events=list(EVENTS))
    widths = []
    for columns in (60, 110):
        stream = io.StringIO()
        Console(file=stream, width=columns, height=20, color_system=None).print(screen)
        widths.append(max(len(line) for line in stream.getvalue().splitlines()))
    assert widths[0] <= 60 < widths[1] <= 110


def test_before_the_first_look() -> None:
    stream = io.StringIO()
    Console(file=stream, width=80, height=20, color_system=None).print(LiveScreen())
    assert "first look" in stream.getvalue()
