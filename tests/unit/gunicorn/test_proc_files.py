"""The kernel's process files: lines of real and of awkward processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gtdiag.gunicorn.proc_files import (
    CLOCK_TICKS_PER_S,
    parse_clock_offset_s,
    parse_stat,
    read_arguments,
    read_children,
    read_environment,
    read_parents,
    read_stat,
)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

STAT = b"77 (a) b (c)) S 12 77 77 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 3 0 4200 1 1 1 1 1 1 1 1 0 0 0 0 0 0 0 17 0"


def test_a_command_name_with_parentheses() -> None:
    stat = parse_stat(STAT)
    assert (stat.state, stat.parent_pid, stat.threads) == ("S", 12, 3)
    assert stat.cpu_s == 200 / CLOCK_TICKS_PER_S
    assert stat.started_at_s == 4200 / CLOCK_TICKS_PER_S


def test_this_process_and_its_child() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()", "--word"], stdin=subprocess.PIPE, env={"GTDIAG_TEST": "a=b"}
    ) as child:
        try:
            assert child.pid in read_children(os.getpid())
            assert read_parents()[child.pid] == os.getpid()
            assert read_stat(child.pid).parent_pid == os.getpid()
            assert read_stat(child.pid).started_at_s >= read_stat(os.getpid()).started_at_s
            assert read_arguments(child.pid)[-1] == "--word"
            assert read_environment(child.pid)["GTDIAG_TEST"] == "a=b"
        finally:
            child.communicate(b"\n")
    with pytest.raises(ProcessLookupError):
        read_stat(child.pid)
    with pytest.raises(ProcessLookupError):
        read_children(child.pid)
    assert child.pid not in read_children(os.getpid())


@pytest.mark.parametrize(
    ("text", "offset_s"),
    [
        (b"monotonic           0         0\nboottime            0         0\n", 0.0),
        (b"monotonic      -86400 500000000\nboottime            7         0\n", -86399.5),
        (b"boottime 7 0\n", None),
        (b"monotonic x y\n", None),
        (b"", None),
    ],
)
def test_clock_offset(text: bytes, offset_s: float | None) -> None:
    assert parse_clock_offset_s(text) == offset_s
