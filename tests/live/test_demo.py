"""`make demo` shows what it promises, and leaves nothing behind, whether it ends by itself or by Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid

import psutil
import pytest

from tests.environments import REPOSITORY

pytestmark = [pytest.mark.live, pytest.mark.slow]

DEMO = REPOSITORY / "examples" / "startup_contention" / "demo.py"


@pytest.fixture
def mark() -> str:
    """What only this demo's processes have in their environment."""
    return uuid.uuid4().hex


def start_demo(mark: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, os.fspath(DEMO), "--gunicorn", "27.0.1", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        cwd=REPOSITORY,
        env={**os.environ, "DEMO_TEST": mark},
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )


def heed_interrupts() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so does all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def processes_of_the_demo(mark: str) -> list[str]:
    """What the demo started and still runs."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("DEMO_TEST") == mark:
                found.append(" ".join(process.cmdline()))
    return found


def left_by_the_demo(mark: str) -> list[str]:
    """The same, after a moment: who has been killed with its group is not gone at once on a busy machine."""
    for _ in range(100):
        if not processes_of_the_demo(mark):
            break
        time.sleep(0.05)
    return processes_of_the_demo(mark)


@pytest.mark.xdist_group("demo")
def test_demo_names_the_call(mark: str) -> None:
    with start_demo(mark, "--for", "14") as demo:
        output, _ = demo.communicate(timeout=150)
    assert demo.returncode == 0, output
    assert "4 of 4 workers" in output
    assert "verify_database_migrations" in output
    assert "never times out" in output
    assert left_by_the_demo(mark) == []


@pytest.mark.xdist_group("demo")
def test_interrupt_cleans_up(mark: str) -> None:
    with start_demo(mark) as demo:
        assert demo.stdout is not None
        while "is blocked in" not in (line := demo.stdout.readline()):
            assert line, "the demo ended before it showed anything"
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: to the demo and to gtdiag
        output, _ = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert "gunicorn 27.0.1, master pid" in output, "gtdiag prints its report all the same"
    assert left_by_the_demo(mark) == []
