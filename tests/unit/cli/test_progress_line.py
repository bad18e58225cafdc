"""Progress is said on a terminal only, not at once, not too often, and nothing of it is left."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

from gtdiag.cli.progress_line import BETWEEN_S, FIRST_AFTER_S, ProgressLine, count_bytes
from tests.fleet_logs import make_fleet


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_short_work_says_nothing_and_leaves_nothing() -> None:
    stream, clock = io.StringIO(), Clock()
    line = ProgressLine(stream, clock)
    clock.now += FIRST_AFTER_S - 0.01
    line.say(lambda: "half")
    line.take_away()
    assert stream.getvalue() == ""


def test_long_work_says_how_far_it_is_now_and_then_and_takes_it_away() -> None:
    stream, clock = io.StringIO(), Clock()
    line = ProgressLine(stream, clock)
    clock.now += FIRST_AFTER_S + 0.01
    for number in range(3):
        line.say(lambda number=number: f"step {number}")
        clock.now += BETWEEN_S * 0.6
    line.take_away()
    assert stream.getvalue() == "\r\x1b[Kstep 0\r\x1b[Kstep 2\r\x1b[K"


def test_a_terminal_that_went_away_does_not_end_the_work() -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(5, "Input/output error")

    clock = Clock()
    line = ProgressLine(Gone(), clock)
    clock.now += FIRST_AFTER_S + 0.01
    line.say(lambda: "words")
    line.take_away()


def test_bytes_are_told_of_all_where_all_are_known() -> None:
    stream, clock = io.StringIO(), Clock()
    line = ProgressLine(stream, clock)
    clock.now += FIRST_AFTER_S + 0.01
    known, unknown = count_bytes(line, 4_000_000), count_bytes(line, None)
    known(1_000_000)
    clock.now += BETWEEN_S + 0.01
    unknown(2_500_000_000)
    assert stream.getvalue() == "\r\x1b[Kread 1 of 4 MB (25 %)\r\x1b[Kread 2,500 MB"


def test_the_command_says_it_to_a_terminal_and_to_nothing_else(tmp_path: Path) -> None:
    """The wait before the first words is taken away: how long the work takes must not decide the test."""
    [log] = make_fleet(tmp_path, 1, 3_000_000)
    code = (
        "from gtdiag.cli import progress_line as module; module.FIRST_AFTER_S = module.BETWEEN_S = 0;"
        "from gtdiag.cli.main import main; main()"
    )
    command = [sys.executable, "-c", code, "analyze", "--exit-zero", "--format", "json", os.fspath(log)]
    environment = {**os.environ, "TERM": "xterm"}
    quiet = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert quiet.stderr == b""
    here, there = pty.openpty()
    try:
        seen = subprocess.run(command, stdout=subprocess.PIPE, stderr=there, check=True, env=environment)
        drawn = os.read(here, 100_000).decode()
    finally:
        os.close(here)
        os.close(there)
    assert seen.stdout == quiet.stdout
    assert "read 3 of 3 MB (100 %)" in drawn
    assert drawn.endswith("\r\x1b[K")
