"""The pytest plugin as its user has it: a suite of its own, run by pytest, beside real gunicorn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environments import REPOSITORY, standard_environment
from tests.live.gunicorn_process import APPLICATIONS
from tests.live.servers import mute_server

pytestmark = [pytest.mark.live, pytest.mark.slow]

SUITE = """
import os, subprocess, time, urllib.request
import pytest

@pytest.fixture
def gunicorn(tmp_path):
    port_file = tmp_path / "error.log"
    with port_file.open("wb") as log:
        server = subprocess.Popen(
            [os.environ["GUNICORN"], os.environ["APPLICATION"], "--bind", "127.0.0.1:0", "--timeout", "3",
             "--chdir", os.environ["APPLICATIONS"], "--log-level", "debug", "--graceful-timeout", "1"], stderr=log)
    server.log = port_file
    yield server
    server.terminate()
    server.wait(30)

def wait_for(server, word, seconds=60):
    end = time.monotonic() + seconds
    while word not in server.log.read_text():
        assert time.monotonic() < end and server.poll() is None, server.log.read_text()
        time.sleep(0.05)

def test_watched(gunicorn, gunicorn_watch):
    gunicorn_watch(gunicorn)                       # at once: it is no gunicorn yet
    wait_for(gunicorn, os.environ["UNTIL"])

def test_allowed(gunicorn, gunicorn_watch):
    watch = gunicorn_watch(gunicorn.pid, fail_on="oom_kill,worker_crash")
    wait_for(gunicorn, os.environ["UNTIL"])
    assert watch.running

def test_that_fails_by_itself(gunicorn, gunicorn_watch):
    gunicorn_watch(gunicorn)
    wait_for(gunicorn, os.environ["UNTIL"])
    assert "the answer" == "another"

def test_of_no_gunicorn(gunicorn_watch):
    gunicorn_watch(os.getpid(), wait_s=0.3)

def test_of_no_kind(gunicorn_watch):
    gunicorn_watch(1, fail_on="worker_timout")

def test_without_a_server(gunicorn_watch):
    pass
"""


def run_suite(folder: Path, application: str, until: str, **variables: str) -> str:
    environment = standard_environment("21.2.0")
    (folder / "test_suite.py").write_text(SUITE)
    given = {
        **os.environ,
        "GUNICORN": os.fspath(environment.python.with_name("gunicorn")),
        "APPLICATION": application,
        "APPLICATIONS": os.fspath(APPLICATIONS),
        "UNTIL": until,
        "PYTHONPATH": os.fspath(REPOSITORY),
        "COLUMNS": "120",
        **variables,
    }
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-rA", "--rootdir", ".", "."]
    if "gtdiag" not in plugins_that_pytest_finds():
        words += ["-p", "gtdiag.pytest_plugin"]
    done = subprocess.run(words, cwd=folder, env=given, capture_output=True, text=True, timeout=150, check=False)
    return done.stdout + done.stderr


def plugins_that_pytest_finds() -> set[str]:
    from importlib.metadata import entry_points

    return {entry.name for entry in entry_points(group="pytest11")}


def test_a_server_without_trouble_passes_and_errors_are_clear(tmp_path: Path) -> None:
    printed = run_suite(tmp_path, "sync_serving:application", "Booting worker")
    for name in ("test_watched", "test_allowed", "test_without_a_server"):
        assert f"PASSED test_suite.py::{name}" in printed, printed
    assert "FAILED test_suite.py::test_that_fails_by_itself - AssertionError" in printed
    assert "gtdiag.errors.NotGunicornError" in printed
    assert "ValueError: fail_on: 'worker_timout' is no kind. Did you mean worker_timeout" in printed


def test_a_server_that_times_out_fails_the_test_and_says_where(tmp_path: Path) -> None:
    with mute_server() as database:
        url = f"http://{database.host}:{database.port}/"
        printed = run_suite(tmp_path, "sync_startup:application", "WORKER TIMEOUT", FEATURE_FLAGS_URL=url)
    assert "FAILED test_suite.py::test_watched - Failed: gunicorn " in printed, printed
    assert "PASSED test_suite.py::test_allowed" in printed, printed
    own_failure = printed[printed.index("test_that_fails_by_itself") :]
    assert "gtdiag call" in own_failure and "timed out" in own_failure
    assert "load_feature_flags" in printed and "requests" in printed
    assert "To see this report again: gtdiag analyze" in printed
