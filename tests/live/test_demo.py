"""`make demo` shows what it promises, and leaves nothing behind, whether it ends by itself or by Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.environments import REPOSITORY

pytestmark = [pytest.mark.live, pytest.mark.slow]

DEMO = REPOSITORY / "examples" / "startup_contention" / "demo.py"


def start_demo(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, os.fspath(DEMO), "--gunicorn", "27.0.1", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        cwd=REPOSITORY,
        start_new_session=True,
    )


def processes_of_the_demo() -> list[str]:
    """What runs from the demo's folder or environment; the demo itself is awaited before."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if os.fspath(Path(".cache", "demo")) in command or os.fspath(DEMO.parent) in command:
            found.append(command)
    return found


@pytest.mark.xdist_group("demo")
def test_demo_names_the_call() -> None:
    with start_demo("--for", "14") as demo:
        output, _ = demo.communicate(timeout=150)
    assert demo.returncode == 0, output
    assert "4 of 4 workers" in output
    assert "verify_database_migrations" in output
    assert "never times out" in output
    assert processes_of_the_demo() == []


@pytest.mark.xdist_group("demo")
def test_interrupt_cleans_up() -> None:
    with start_demo() as demo:
        assert demo.stdout is not None
        while "is blocked in" not in (line := demo.stdout.readline()):
            assert line, "the demo ended before it showed anything"
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: to the demo and to gtdiag
        output, _ = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert "gunicorn 27.0.1, master pid" in output, "gtdiag prints its report all the same"
    assert processes_of_the_demo() == []
