"""What `gtdiag watch` says when the world is not as it should be: one clear line, or a gap and what it could see."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.environments import NEWEST, Environment, standard_environment
from tests.live.busy_thread import with_busy_thread
from tests.live.gtdiag_command import (
    Done,
    as_module,
    finish,
    installation_without_py_spy,
    path_without_py_spy,
    run_gtdiag,
    start_gtdiag,
)
from tests.live.gunicorn_process import GunicornProcess, kill_group, running_gunicorn
from tests.live.servers import Address, mute_server

pytestmark = pytest.mark.live

NOBODY = 65534


def assert_one_clear_message(done: Done, status: int, *words: str) -> None:
    """An error as a user wants it: the exit code, what is wrong, a hint, nothing on standard output, no traceback."""
    assert done.status == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "bug in gtdiag" not in done.stderr
    assert 1 <= len(done.stderr.strip().splitlines()) <= 4, done.stderr
    for word in words:
        assert word in done.stderr


def gaps(report: dict[str, Any], what: str) -> list[dict[str, Any]]:
    return [gap for gap in report["gaps"] if gap["what"] == what]


@pytest.fixture
def mute() -> Iterator[Address]:
    with mute_server() as server:
        yield server


# --- a pid that cannot be watched


@pytest.mark.parametrize("command", ["watch", "snapshot"])
def test_no_such_pid(command: str) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert_one_clear_message(run_gtdiag(command, str(ended.pid)), 3, str(ended.pid), "gtdiag ps")


@pytest.mark.parametrize("command", ["watch", "snapshot"])
def test_pid_that_is_not_gunicorn(command: str) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        done = run_gtdiag(command, str(other.pid))
        assert other.poll() is None, "gtdiag must leave it alone"
        other.communicate(b"\n")
    assert_one_clear_message(done, 3, str(other.pid), "gunicorn")


@pytest.mark.parametrize("pid", ["0", "-1", "one", "99999999999999999999"])
def test_pid_that_is_none(pid: str) -> None:
    done = run_gtdiag("watch", "--", pid)
    assert done.status in (2, 3), done.stderr
    assert "Traceback" not in done.stderr
    assert "bug in gtdiag" not in done.stderr


# --- the watched server changes under the watch


def test_master_dies_while_watched(newest_environment: Environment, mute: Address, tmp_path: Path) -> None:
    with hanging_import(newest_environment, mute, tmp_path) as gunicorn:
        gunicorn.wait_for_workers(1)
        with start_gtdiag("watch", str(gunicorn.pid), "--for", "60s", "--format", "json", "--json-events") as process:
            wait_until_watching(process, gunicorn)
            started = time.monotonic()
            # With its workers: they would go on without it otherwise, hanging in their import.
            kill_group(gunicorn.pid)
            done = finish(process)
        assert time.monotonic() - started < 30, "the watch ends when there is nothing left to watch"
    report = done.report()
    assert report["gunicorn"]["master_pid"] == gunicorn.pid
    assert "Traceback" not in done.stderr


def test_log_vanishes_while_watched(environment_21: Environment, mute: Address, tmp_path: Path) -> None:
    with hanging_import(environment_21, mute, tmp_path, log="error-logfile") as gunicorn:
        pid = gunicorn.wait_for_workers(1)[0]
        arguments = ["watch", str(gunicorn.pid), "--for", "8s", "--format", "json", "--json-events"]
        with start_gtdiag(*arguments) as process:
            wait_until_watching(process, gunicorn)
            gunicorn.log_path.unlink()
            done = finish(process)
    report = done.report()
    assert "Traceback" not in done.stderr
    # What is seen live does not depend on the log.
    incidents = [incident for incident in report["incidents"] if incident["pid"] == pid]
    assert [incident["blocked"]["call"] for incident in incidents] == ["load_feature_flags"]


def test_interrupt_ends_with_the_report(newest_environment: Environment, mute: Address, tmp_path: Path) -> None:
    with hanging_import(newest_environment, mute, tmp_path) as gunicorn:
        gunicorn.wait_for_workers(1)
        with start_gtdiag("watch", str(gunicorn.pid), "--format", "json", "--json-events") as process:
            wait_until_watching(process, gunicorn)
            process.send_signal(signal.SIGINT)
            done = finish(process, 20)
        assert gunicorn.returncode is None
    assert done.report()["gunicorn"]["master_pid"] == gunicorn.pid


# --- without the right to look


def test_without_ptrace_capability(environment_21: Environment, mute: Address, tmp_path: Path) -> None:
    """The same user, and the kernel refuses memory and descriptors: root without its capabilities."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv (util-linux)")
    dropped = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    with hanging_import(environment_21, mute, tmp_path) as gunicorn:
        pid = gunicorn.wait_for_workers(1)[0]
        arguments = ["watch", str(gunicorn.pid), "--for", "7s", "--log", os.fspath(gunicorn.log_path)]
        done = run_gtdiag(*arguments, "--format", "json", command=[*dropped, *as_module()])
        assert gunicorn.returncode is None
    assert_seen_without_ptrace(done, pid)


def test_as_an_ordinary_user(environment_21: Environment, mute: Address, tmp_path: Path) -> None:
    """Another user than the one that runs gunicorn, who may read its log."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv (util-linux) to become another user")
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    reachable = subprocess.run(
        [*nobody, *as_module(), "--version"], capture_output=True, text=True, cwd="/", check=False
    )
    if reachable.returncode != 0:
        pytest.skip(f"another user cannot run this Python: {reachable.stderr.strip().splitlines()[-1:]}")
    with (
        tempfile.TemporaryDirectory() as readable,
        hanging_import(environment_21, mute, Path(readable)) as gunicorn,
    ):
        Path(readable).chmod(0o755)
        pid = gunicorn.wait_for_workers(1)[0]
        arguments = ["watch", str(gunicorn.pid), "--for", "7s", "--log", os.fspath(gunicorn.log_path)]
        done = run_gtdiag(*arguments, "--format", "json", command=[*nobody, *as_module()])
    assert_seen_without_ptrace(done, pid)


def assert_seen_without_ptrace(done: Done, pid: int) -> None:
    report = done.report()
    assert done.status == 1
    assert "Traceback" not in done.stderr
    for what in ("stacks", "suspended_code"):
        [gap] = gaps(report, what)
        assert gap["why"] and gap["hint"]
    # The log needs no ptrace: the time-out is there, and nobody is blamed on no evidence.
    timeouts = {incident["pid"]: incident for incident in report["incidents"] if incident["kind"] == "worker_timeout"}
    assert pid in timeouts
    assert timeouts[pid]["killed_by"] in ("gunicorn", "none")
    blocked = timeouts[pid]["blocked"]
    assert blocked is None or blocked["call"] is None
    assert pid in {worker["pid"] for worker in report["workers"]}


# --- py-spy


@pytest.fixture
def without_py_spy(tmp_path: Path) -> list[str]:
    return installation_without_py_spy(tmp_path / "installation")


def test_py_spy_is_missing(
    newest_environment: Environment, mute: Address, tmp_path: Path, without_py_spy: list[str]
) -> None:
    with hanging_lifespan(newest_environment, mute, tmp_path) as gunicorn:
        pid = gunicorn.wait_for_workers(1)[0]
        done = watch_without_py_spy(gunicorn, without_py_spy)
    report = done.report()
    [gap] = gaps(report, "stacks")
    assert "py-spy" in gap["why"]
    assert "pip install" in gap["hint"]
    assert_lifespan_is_named(report, pid)


def test_without_py_spy_the_stack_is_read_from_memory(
    newest_environment: Environment, mute: Address, tmp_path: Path, without_py_spy: list[str]
) -> None:
    with hanging_import(newest_environment, mute, tmp_path) as gunicorn:
        pid = gunicorn.wait_for_workers(1)[0]
        done = watch_without_py_spy(gunicorn, without_py_spy)
    report = done.report()
    assert gaps(report, "stacks")
    [incident] = report["incidents"]
    blocked = incident["blocked"]
    assert (incident["pid"], blocked["call"], blocked["category"]) == (pid, "load_feature_flags", "http")
    assert (blocked["library"], blocked["how"]) == ("requests", "thread")


def test_py_spy_hangs(
    newest_environment: Environment, mute: Address, tmp_path: Path, without_py_spy: list[str]
) -> None:
    started = tmp_path / "started"
    fake = Path(without_py_spy[0]).with_name("py-spy")
    fake.write_text(f"#!/bin/sh\necho $$ >> '{started}'\nexec sleep 1000\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    with hanging_lifespan(newest_environment, mute, tmp_path, with_busy_thread(tmp_path)) as gunicorn:
        pid = gunicorn.wait_for_workers(1)[0]
        done = watch_without_py_spy(gunicorn, without_py_spy)
    report = done.report()
    assert any("py-spy" in gap["why"] for gap in gaps(report, "stacks"))
    assert_lifespan_is_named(report, pid)
    pids = [int(line) for line in started.read_text().split()]
    assert pids, "the fake was not used"
    assert [pid for pid in pids if still_sleeps(pid)] == []


def watch_without_py_spy(gunicorn: GunicornProcess, command: list[str]) -> Done:
    variables = {"PATH": path_without_py_spy()}
    arguments = ["watch", str(gunicorn.pid), "--for", "8s", "--format", "json"]
    return run_gtdiag(*arguments, command=command, variables=variables)


def assert_lifespan_is_named(report: dict[str, Any], pid: int) -> None:
    """Suspended code is read without py-spy, so the main job is done without it."""
    [incident] = report["incidents"]
    assert (incident["kind"], incident["pid"]) == ("startup_hang", pid)
    assert incident["blocked"]["call"] == "verify_database_migrations"


def still_sleeps(pid: int) -> bool:
    try:
        return "sleep" in psutil.Process(pid).name()
    except psutil.NoSuchProcess:
        return False


# --- what the tests share


def hanging_import(environment: Environment, mute: Address, folder: Path, log: str = "stderr") -> Any:
    """One sync worker that waits in requests.get at import."""
    return running_gunicorn(
        environment,
        "sync_startup:application",
        folder=folder,
        timeout_s=4,
        log=log,
        variables={"FEATURE_FLAGS_URL": f"http://{mute.peer}/flags"},
    )


def hanging_lifespan(
    environment: Environment, mute: Address, folder: Path, variables: dict[str, str] | None = None
) -> Any:
    """One uvicorn worker that awaits asyncpg.connect in its lifespan."""
    assert environment == standard_environment(NEWEST)
    return running_gunicorn(
        environment,
        "startup_contention:app",
        folder=folder,
        worker_class="uvicorn",
        timeout_s=4,
        variables={"DATABASE_URL": f"postgresql://app:secret@{mute.peer}/orders", **(variables or {})},
    )


def wait_until_watching(process: subprocess.Popen[str], gunicorn: GunicornProcess) -> None:
    """Until gtdiag has looked at a worker: its events (`--json-events`, on standard error) name one."""
    assert process.stderr is not None
    workers = [str(pid) for pid in gunicorn.worker_pids()]
    while line := process.stderr.readline():
        if any(pid in line for pid in workers):
            return
    raise AssertionError(f"gtdiag ended with {process.wait()} before it had seen anything")
