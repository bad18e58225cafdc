"""`gtdiag watch` on a real terminal (tmux), watching real gunicorn whose four workers hang in their start-up.

The screens are kept in tests/screens/terminal_*.txt with numbers as `#`; GTDIAG_WRITE_SCREENS=1 writes them anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environments import NEWEST, standard_environment
from tests.live.gtdiag_command import GTDIAG
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import mute_server
from tests.live.tmux_terminal import Window, needs_tmux, tmux_window
from tests.unit.renderers.screen_files import LIVE_FOLDER, assert_screen, is_screen

pytestmark = [pytest.mark.live, needs_tmux, pytest.mark.xdist_group("tmux")]

CALL = "load_feature_flags"
COMMAND = shlex.join(GTDIAG)


@pytest.fixture(scope="module")
def hanging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornProcess]:
    with (
        mute_server() as mute,
        running_gunicorn(
            standard_environment(NEWEST),
            "sync_startup:application",
            folder=tmp_path_factory.mktemp("gunicorn"),
            workers=4,
            timeout_s=3,
            variables={"FEATURE_FLAGS_URL": f"http://{mute.peer}/flags"},
        ) as gunicorn,
    ):
        gunicorn.wait_for_workers(4)
        yield gunicorn


def all_stuck(screen: str) -> bool:
    """Four workers in the call, for at least ten seconds: from then on the numbers are as long as they stay."""
    return bool(re.search(rf"4 of 4 workers are stuck\s+in\s+{CALL} for [1-9]\d s", screen))


def normalised(screen: str) -> str:
    """Numbers as `#`, the top as one paragraph: how it wraps depends on how long pids are."""
    top, blank, rest = screen.partition("\n\n")
    words = " ".join(top.split()) + blank + rest
    # The server is this process, which has another name beside others; where the verdict is cut depends on its numbers.
    words = re.sub(r"the process \S+ at", "the process NAME at", words)
    words = re.sub(r"never times out.*?(\.\.\.|restart them\.)|never times? \.\.\.", "never times ...", words)
    words = re.sub(r"\d+ min \d+ s", "# s", words)
    words = re.sub(r"\d+(\.\d+)?", "#", words)
    words = re.sub(r"\S*\.\.\.$", "...", words, flags=re.MULTILINE)
    lines = [re.sub(r" {2,}", "  ", line) for line in words.splitlines()]
    # What happened meanwhile depends on when the screen was taken.
    shown = "\n".join(line for line in lines if not line.startswith("#:#:# "))
    # ... and how many lines stay empty, on how many the top takes.
    return re.sub(r"\n{3,}", "\n\n", shown)


def wait_for_screen(window: Window, name: str) -> str:
    """The screen once it is the kept one: evidence comes with one look or the next, and the top is cut to fit."""
    window.wait_until(all_stuck, "four stuck workers")
    with contextlib.suppress(AssertionError):
        window.wait_until(lambda screen: is_screen(name, normalised(screen), LIVE_FOLDER), "the kept screen", 15)
    screen = window.screen()
    assert_screen(name, normalised(screen), LIVE_FOLDER)
    return screen


def footer(screen: str) -> str:
    return screen.splitlines()[-1]


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
def test_screens(hanging: GunicornProcess, columns: int, rows: int) -> None:
    with tmux_window([*GTDIAG, "watch", str(hanging.pid)], columns=columns, rows=rows) as window:
        screen = wait_for_screen(window, f"terminal_{columns}x{rows}")
        assert len(screen.splitlines()) == rows
        assert "\x1b[1;31m" in window.screen(colours=True) or "\x1b[1m\x1b[31m" in window.screen(colours=True)
        window.press("Enter")
        detail = window.wait_for("WHAT TO DO")
        assert f">> {CALL}" in detail or "lines 1 to" in detail
        window.press("q")
        status, report = window.wait_for_end()
    assert status == 1
    assert "WHAT HAPPENED" in report
    assert "HEARTBEAT      IN" not in report, "the view had a screen of its own"
    assert hanging.returncode is None


def test_ascii_without_colour(hanging: GunicornProcess) -> None:
    variables = {"LANG": "C", "NO_COLOR": "1"}
    with tmux_window([*GTDIAG, "watch", str(hanging.pid)], variables=variables) as window:
        screen = wait_for_screen(window, "terminal_ascii_80x24")
        coloured = window.screen(colours=True)
        assert coloured.isascii()
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", coloured)
        assert re.search(r"^> \d+", screen, re.MULTILINE), "the cursor shows as a mark"


def test_keys_and_resizing(hanging: GunicornProcess) -> None:
    pids = hanging.worker_pids()
    with tmux_window([*GTDIAG, "watch", str(hanging.pid)], columns=100, rows=30) as window:
        window.wait_until(all_stuck, "four stuck workers")
        window.press("Down", "Down")
        window.wait_until(lambda screen: f"> {pids[2]}" in screen, "the third row")
        window.press("/", str(pids[1]), "Enter")
        screen = window.wait_for(f"/{pids[1]}  Esc: all")
        assert f"> {pids[1]}" in screen and f"  {pids[3]} " not in screen.replace("> ", "  ")
        window.press("Escape")
        window.wait_for(str(pids[3]))
        window.press("p")
        held = window.wait_for("PAUSED at")
        time.sleep(2.5)
        assert window.screen() == held, "a pause holds everything still"
        window.press("p", "i")
        window.wait_for("INCIDENTS, the latest first: 4 of 4")
        window.press("l")
        window.wait_for("Start-up hang at")
        window.press("?")
        window.wait_for("end the watch and print the report")
        window.resize(60, 15)
        window.press("Escape", "Escape", "Escape")
        screen = window.wait_until(lambda screen: CALL in screen and "KEYS" not in screen, "the workers")
        window.resize(130, 40)
        screen = window.wait_for("PHASE")
        assert footer(screen).startswith("q report")
        window.press("C-c")
        status, _ = window.wait_for_end()
    assert status == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_with_the_report_and_the_terminal_as_it_was(
    hanging: GunicornProcess, tmp_path: Path, number: signal.Signals
) -> None:
    line = f"stty -g > {tmp_path}/before; {COMMAND} watch {hanging.pid} --record {tmp_path}/watch.jsonl"
    line += f"; stty -g > {tmp_path}/after"
    with tmux_window(line) as window:
        window.wait_for(CALL)
        os.kill(gtdiag_in(window), number)
        window.wait_until(lambda _: (tmp_path / "after").exists(), "the end")
        _, report = window.wait_for_end()
    assert "WHAT HAPPENED" in report
    assert (tmp_path / "before").read_text() == (tmp_path / "after").read_text()
    assert '"ObservationEnded"' in (tmp_path / "watch.jsonl").read_text().splitlines()[-1]


def test_it_is_suspended_and_comes_back(hanging: GunicornProcess) -> None:
    line = f"set -m; {COMMAND} watch {hanging.pid}; echo STOPPED; stty -a; read -r answer; fg"
    with tmux_window(line) as window:
        window.wait_for(CALL)
        window.press("C-z")
        screen = window.wait_for("STOPPED")
        assert "HEARTBEAT" not in screen, "the shell has its own screen back"
        assert " icanon" in window.wait_for("icanon")
        window.press("Enter")
        window.wait_for("HEARTBEAT")
        window.wait_for(CALL)
        window.press("q")
        assert "WHAT HAPPENED" in window.wait_for_end()[1]


def test_the_log_on_standard_input_leaves_the_keys_to_the_terminal(hanging: GunicornProcess) -> None:
    line = f"tail -f {hanging.log_path} | {COMMAND} watch {hanging.pid} --log -"
    with tmux_window(line) as window:
        window.wait_for(CALL)
        assert footer(window.screen()).startswith("q report")
        window.press("Enter")
        window.wait_for("Esc back")
        window.press("q")
        assert "WHAT HAPPENED" in window.wait_for_end()[1]


def test_a_terminal_that_cannot_draw_gets_lines(hanging: GunicornProcess) -> None:
    with tmux_window(
        [*GTDIAG, "watch", str(hanging.pid), "--for", "4s"], variables={"TERM": "dumb"}, columns=200
    ) as window:
        status, text = window.wait_for_end()
    assert status == 1
    assert re.search(rf"\d\d:\d\d:\d\d worker \d+ is blocked in {CALL}", text)
    assert "HEARTBEAT      IN" not in text


def gtdiag_in(window: Window) -> int:
    """The pid of the command in the window: the shell's child."""
    children = Path(f"/proc/{window.pid()}/task/{window.pid()}/children").read_text().split()
    assert len(children) == 1, children
    return int(children[0])
