"""The live view without a terminal: what is on the screen, what keys do, and that nothing is wider than the window."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from gtdiag.model.live_state import LiveState
from gtdiag.model.report import Gap, Phase, Report, Request, Worker, WorkerEnd
from gtdiag.renderers.layout import cell_width
from gtdiag.renderers.live_keys import BINDINGS, Action, LiveUi, Pane, press
from tests.unit.renderers import sample_reports
from tests.unit.renderers.live_reader import Reader, state_of
from tests.unit.renderers.screen_files import LIVE_FOLDER, assert_screen


def one_of_each() -> Report:
    """A worker of each kind of trouble, given in an order in which they must not be shown."""
    base = sample_reports.silent_hang()
    hanging = base.workers[0]
    healthy: Worker = dataclasses.replace(
        hanging, pid=201, ordinal=5, phase=Phase.SERVING, blocked=None, heartbeat_age_s=0.4, first_heartbeat_seen=True
    )
    busy = dataclasses.replace(
        healthy, pid=204, ordinal=7, requests=(Request("GET", "/reports/7", 3.2), Request("GET", "/health", 0.1))
    )
    starting = dataclasses.replace(
        healthy, pid=202, ordinal=6, phase=Phase.STARTUP, first_heartbeat_seen=False, startup_step="imported"
    )
    dead = dataclasses.replace(
        healthy,
        pid=203,
        ordinal=2,
        phase=Phase.EXITED,
        end=WorkerEnd.SIGNAL,
        end_signal="SIGSEGV",
        ended_at=sample_reports.at(100),
    )
    dying = dataclasses.replace(
        hanging, pid=205, ordinal=8, phase=Phase.SERVING, first_heartbeat_seen=True, heartbeat_age_s=26.2
    )
    return dataclasses.replace(base, workers=(dead, healthy, starting, hanging, busy, dying))


def two_hundred() -> LiveState:
    base = sample_reports.silent_hang()
    healthy = dataclasses.replace(
        base.workers[0], phase=Phase.SERVING, blocked=None, heartbeat_age_s=0.4, first_heartbeat_seen=True
    )
    stuck = [dataclasses.replace(base.workers[0], pid=7000 + n, ordinal=n) for n in range(1, 31)]
    well = [dataclasses.replace(healthy, pid=7000 + n, ordinal=n) for n in range(31, 201)]
    facts = dataclasses.replace(base.gunicorn, workers=200)
    return state_of(dataclasses.replace(base, workers=(*well, *stuck), gunicorn=facts))


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
@pytest.mark.parametrize("name", ["restart_loop", "silent_hang", "nothing_found", "hostile"])
def test_screens(name: str, columns: int, rows: int) -> None:
    reader = Reader(state_of(sample_reports.REPORTS[name]()), columns, rows)
    assert_screen(f"{name}_{columns}x{rows}", reader.text, LIVE_FOLDER)


def test_one_of_each() -> None:
    reader = Reader(state_of(one_of_each()), 120, 24)
    assert_screen("one_of_each_120x24", reader.text, LIVE_FOLDER)
    assert reader.listed[:6] == ["205", "101", "203", "202", "201", "204"]


def test_a_stack() -> None:
    reader = Reader(state_of(sample_reports.silent_hang()), 80, 40)
    assert_screen("stack_80x40", reader.press("down", "enter"), LIVE_FOLDER)
    assert "Worker 102" in reader.text
    assert "Worker 103" in reader.press("right")
    assert "Worker 102" in reader.press("left")
    assert reader.press("escape").count("stuck") >= 4
    assert reader.selected == "102"


def test_the_page_of_keys() -> None:
    reader = Reader(state_of(sample_reports.silent_hang()), 80, 50)
    assert_screen("keys_80x50", reader.press("?"), LIVE_FOLDER)
    for binding in BINDINGS:
        assert binding.words in reader.text
    assert "PID" in reader.press("?")


def test_the_incidents_and_the_last_of_them() -> None:
    reader = Reader(state_of(sample_reports.restart_loop()), 80, 24)
    assert_screen("incidents_80x24", reader.press("i"), LIVE_FOLDER)
    assert reader.selected == "15:07:04"
    assert "worker 13 timed out" in reader.press("down", "enter")
    assert "worker 12 timed out" in reader.press("right")
    assert "worker 14 timed out" in reader.press("escape", "escape", "l")
    assert reader.ui.pane is Pane.INCIDENT


def test_no_incident_to_jump_to() -> None:
    reader = Reader(state_of(dataclasses.replace(sample_reports.nothing_found(), incidents=())))
    assert "none so far" in reader.press("l")


def test_gaps_with_what_would_change_them() -> None:
    gaps = (Gap("stacks", "ptrace is not permitted", "sudo gtdiag watch 1"),)
    reader = Reader(state_of(dataclasses.replace(sample_reports.silent_hang(), gaps=gaps)))
    assert "1 gap" in reader.text
    assert "sudo gtdiag watch 1" in reader.press("u")
    assert "PID" in reader.press("u")


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (8, 3), (20, 5), (40, 10), (80, 24), (100, 24), (200, 60)])
@pytest.mark.parametrize("name", sample_reports.REPORTS)
def test_it_fits_every_window(name: str, columns: int, rows: int) -> None:
    reader = Reader(state_of(sample_reports.REPORTS[name]()), columns, rows)
    for key in ("", "enter", "escape", "i", "enter", "escape", "escape", "?", "escape", "u", "escape", "/"):
        reader.press(*([key] if key else []))
        assert len(reader.screen.lines) <= rows
        assert max((cell_width(line.text) for line in reader.screen.lines), default=0) <= columns


def test_two_hundred_workers() -> None:
    reader = Reader(two_hundred(), 80, 24)
    assert_screen("two_hundred_80x24", reader.text, LIVE_FOLDER)
    assert len(reader.screen.lines) == 24
    assert "30 of 200 workers are stuck" in reader.screen.lines[0].text
    seen = set(reader.listed)
    for _ in range(40):
        reader.press("page_down")
        seen |= set(reader.listed)
        assert reader.selected in reader.listed
    assert len(seen) == 200
    assert reader.selected == "7200"
    reader.press("home")
    assert reader.selected == "7001"
    assert reader.press("end") and reader.selected == "7200"


def test_a_filter() -> None:
    reader = Reader(two_hundred(), 80, 24)
    assert "/asyncpg 70_" in reader.press("/") + reader.type("asyncpg 70")
    assert len(state_rows(reader)) == 30
    reader.press("enter")
    assert "/asyncpg 70" in reader.screen.lines[-1].text, "the footer says that not all is shown"
    assert "no worker has" in reader.press("/") + reader.type("zzz")
    reader.press("escape")
    assert len(state_rows(reader)) == 200
    assert {"serving"} == {row_state(reader, "/", *"serving", "enter")}


def state_rows(reader: Reader) -> list[str]:
    seen: dict[str, None] = dict.fromkeys(reader.press("home") and reader.listed)
    for _ in range(40):
        reader.press("page_down")
        seen.update(dict.fromkeys(reader.listed))
    return list(seen)


def row_state(reader: Reader, *keys: str) -> str:
    reader.press(*keys)
    [line] = [line for line in reader.screen.lines if line.selected]
    return line.text.split()[2]


def test_letters_of_a_filter_are_no_keys() -> None:
    reader = Reader(state_of(sample_reports.silent_hang()))
    reader.press("/", "q", "p", "?", "i", "backspace", "enter")
    assert (reader.ui.words, reader.ui.ending, reader.ui.pane) == ("qp?", False, Pane.WORKERS)


def test_a_pause_holds_the_screen_and_says_what_happens_meanwhile() -> None:
    before = dataclasses.replace(sample_reports.restart_loop(), incidents=sample_reports.restart_loop().incidents[:4])
    reader = Reader(state_of(before))
    reader.press("p")
    held = reader.listed
    text = reader.see(state_of(sample_reports.restart_loop()))
    assert "PAUSED at" in text
    assert "4 new incidents" in text
    assert reader.listed == held
    assert "PAUSED" not in reader.press("p")
    assert "8 incidents" in reader.text


def test_the_cursor_stays_with_its_worker_when_rows_move() -> None:
    reader = Reader(state_of(one_of_each()), 120, 24)
    reader.press("down", "down")
    assert reader.selected == "203"
    calm = dataclasses.replace(one_of_each(), workers=tuple(w for w in one_of_each().workers if w.pid != 205))
    reader.see(state_of(calm))
    assert reader.selected == "203"
    gone = dataclasses.replace(calm, workers=tuple(w for w in calm.workers if w.pid != 203))
    reader.see(state_of(gone))
    assert reader.selected == reader.listed[0]


def test_without_a_move_the_cursor_stays_on_the_most_urgent() -> None:
    calm = dataclasses.replace(one_of_each(), workers=tuple(w for w in one_of_each().workers if w.pid != 205))
    reader = Reader(state_of(calm))
    assert reader.selected == "101"
    reader.see(state_of(one_of_each()))
    assert reader.selected == "205"


def test_a_smaller_window_keeps_the_cursor_in_sight() -> None:
    reader = Reader(two_hundred(), 120, 40)
    reader.press(*["down"] * 20)
    reader.resize(80, 18)
    assert reader.selected == "7021"
    assert "7021" in reader.listed


def test_a_text_longer_than_the_window_scrolls_to_its_end_and_not_beyond() -> None:
    reader = Reader(state_of(sample_reports.silent_hang()), 80, 24)
    assert "wait_for" not in reader.press("enter")
    reader.press(*["page_down"] * 9)
    assert "wait_for" in reader.text
    at_end = reader.text
    assert reader.press("down", "end") == at_end
    assert reader.press("up") != at_end
    assert "Worker 101" in reader.press("home")


def test_an_old_look_is_said_to_be_old() -> None:
    reader = Reader(state_of(sample_reports.silent_hang()))
    assert reader.state is not None and reader.state.at is not None
    reader.now = reader.state.at + timedelta(seconds=9)
    assert "the last look was 9.0 s ago" in reader.see(reader.state)


def test_before_the_first_look() -> None:
    reader = Reader(None)
    assert "first look" in reader.text
    for binding in BINDINGS:
        reader.press(binding.keys[0])


def test_keys_that_cannot_be_read_are_not_offered() -> None:
    reader = Reader(state_of(sample_reports.silent_hang()), keys_off="standard input is the log")
    assert reader.screen.lines[-1].text.startswith("no keys: standard input is the log; Ctrl-C")


@pytest.mark.parametrize("name", sample_reports.REPORTS)
def test_nothing_unescaped(name: str) -> None:
    reader = Reader(state_of(sample_reports.REPORTS[name]()), ascii=True)
    for keys in ((), ("enter",), ("escape", "i"), ("enter",), ("u",), ("escape", "?")):
        text = reader.press(*keys)
        assert text.isascii()
        assert text.replace("\n", "").isprintable()


def test_hostile_data_in_every_pane() -> None:
    reader = Reader(state_of(sample_reports.hostile()), 120, 60)
    for keys in ((), ("enter",), ("escape", "i"), ("enter",), ("u",)):
        for line in reader.press(*keys).split("\n"):
            assert line.isprintable(), line


def test_secrets_are_masked() -> None:
    base = one_of_each()
    workers = tuple(
        dataclasses.replace(worker, requests=(Request("GET", "/pay?token=hunter2", 1.0),)) for worker in base.workers
    )
    reader = Reader(state_of(dataclasses.replace(base, workers=workers)), 200, 40)
    assert "hunter2" not in reader.text + reader.press("enter")
    assert "token=***" in reader.text


def test_no_two_actions_share_a_key() -> None:
    keys = [key for binding in BINDINGS for key in binding.keys]
    assert len(keys) == len(set(keys))
    assert {binding.action for binding in BINDINGS} == set(Action)


def test_quit_ends() -> None:
    assert press(LiveUi(), "q", None).ending
    assert "ending" in Reader(state_of(sample_reports.silent_hang())).press("q")
