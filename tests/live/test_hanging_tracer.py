"""A py-spy that stops the worker and hangs: it is killed, and the worker serves again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gtdiag.collectors.left_stopped import read_state_before, set_going
from gtdiag.collectors.stacks import StackReader, StackReadError
from tests.environments import NEWEST, standard_environment
from tests.faults import hanging_tracer
from tests.live.busy_thread import with_busy_thread
from tests.live.gtdiag_command import installation_without_py_spy, path_without_py_spy, run_gtdiag
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn

TRACER = Path(hanging_tracer.__file__)

pytestmark = [pytest.mark.live]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[GunicornProcess]:
    with running_gunicorn(
        standard_environment(NEWEST), "sync_serving:application", folder=tmp_path, timeout_s=60
    ) as gunicorn:
        gunicorn.wait_for_workers(1)
        assert answers(gunicorn)
        yield gunicorn


def answers(gunicorn: GunicornProcess) -> bool:
    with urllib.request.urlopen(gunicorn.url("/"), timeout=10) as answer:
        return bool(answer.read())


def traced(path: Path) -> list[str]:
    """What the tracers said of the processes that they had taken hold of."""
    lines = path.read_text().splitlines() if path.exists() else []
    if any("error" in line for line in lines):
        pytest.skip(f"no ptrace here: {lines}")
    return lines


def wait_for_state(pid: int, state: str) -> None:
    for _ in range(200):
        if psutil.Process(pid).status() == state:
            return
        time.sleep(0.02)
    raise AssertionError(f"process {pid} is {psutil.Process(pid).status()}, not {state}")


@pytest.mark.parametrize(("how", "state"), [("seize", "t"), ("attach", "t"), ("stop", "T")])
def test_the_worker_goes_on(
    how: str, state: str, serving: GunicornProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [worker] = serving.worker_pids()
    monkeypatch.setenv("TRACED", os.fspath(tmp_path / "traced"))
    reader = StackReader(command=(sys.executable, os.fspath(TRACER), how), deadline_s=2.0)
    with pytest.raises(StackReadError) as raised:
        reader.read(worker)
    assert traced(tmp_path / "traced") == [f"{worker} {state}"], "it was stopped while the tracer hung"
    assert raised.value.hung
    assert raised.value.why.endswith("goes on again" if how == "stop" else "runs on")
    assert answers(serving)
    assert psutil.Process(worker).status() in (psutil.STATUS_SLEEPING, psutil.STATUS_RUNNING)
    assert serving.worker_pids() == [worker]


def test_without_that_it_would_be_left_stopped(serving: GunicornProcess, tmp_path: Path) -> None:
    """Else the test above could not fail."""
    [worker] = serving.worker_pids()
    variables = {**os.environ, "TRACED": os.fspath(tmp_path / "traced")}
    before = read_state_before(worker)
    with subprocess.Popen([sys.executable, os.fspath(TRACER), "stop", str(worker)], env=variables) as tracer:
        for _ in range(500):
            if traced(tmp_path / "traced"):
                break
            time.sleep(0.02)
        tracer.kill()
    wait_for_state(worker, psutil.STATUS_STOPPED)
    assert set_going(worker, before)
    assert answers(serving)


def test_what_somebody_else_stopped_stays_stopped(serving: GunicornProcess) -> None:
    [worker] = serving.worker_pids()
    os.kill(worker, signal.SIGSTOP)
    wait_for_state(worker, psutil.STATUS_STOPPED)
    assert not set_going(worker, read_state_before(worker))
    assert psutil.Process(worker).status() == psutil.STATUS_STOPPED
    os.kill(worker, signal.SIGCONT)


def test_another_process_of_the_pid_gets_no_signal(serving: GunicornProcess) -> None:
    import dataclasses

    [worker] = serving.worker_pids()
    before = read_state_before(worker)
    assert before is not None
    os.kill(worker, signal.SIGSTOP)
    wait_for_state(worker, psutil.STATUS_STOPPED)
    assert not set_going(worker, dataclasses.replace(before, started_at_s=before.started_at_s - 1))
    assert psutil.Process(worker).status() == psutil.STATUS_STOPPED
    os.kill(worker, signal.SIGCONT)


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[GunicornProcess]:
    with running_gunicorn(
        standard_environment(NEWEST),
        "sync_serving:application",
        folder=tmp_path,
        timeout_s=60,
        variables=with_busy_thread(tmp_path),
    ) as gunicorn:
        gunicorn.wait_for_workers(1)
        assert answers(gunicorn)
        yield gunicorn


@pytest.mark.slow
def test_the_whole_command(busy: GunicornProcess, tmp_path: Path) -> None:
    """A snapshot with such a py-spy beside it: it ends, says what happened, and the server answers."""
    command = installation_without_py_spy(tmp_path / "installation")
    fake = Path(command[0]).with_name("py-spy")
    tracer = tmp_path / "hanging_tracer.py"  # of its own: other tests have theirs, at the same time
    shutil.copy(TRACER, tracer)
    fake.write_text(f'#!/bin/sh\n"{sys.executable}" "{tracer}" stop "$@" & wait\n')  # in a child, as a wrapper may
    fake.chmod(0o755)
    variables = {"PATH": path_without_py_spy(), "TRACED": os.fspath(tmp_path / "traced")}
    done = run_gtdiag("snapshot", str(busy.pid), "--format", "json", command=command, variables=variables)
    [worker] = busy.worker_pids()
    assert f"{worker} T" in traced(tmp_path / "traced")
    [gap] = [gap for gap in done.report()["gaps"] if gap["what"] == "stacks"]
    assert "was ended" in gap["why"]
    assert answers(busy)
    left = [one.pid for one in psutil.process_iter(["cmdline"]) if os.fspath(tracer) in (one.info["cmdline"] or [])]
    assert left == []
    assert "TracerPid:\t0" in Path(f"/proc/{worker}/status").read_text()
