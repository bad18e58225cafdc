"""Heartbeats of real workers, in gunicorn versions of both methods: has it ever beaten, and how long ago."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from gtdiag.collectors.clock import SystemClock
from gtdiag.collectors.heartbeats import read_heartbeat
from gtdiag.collectors.processes import WorkerFinder, WorkerProcess
from gtdiag.gunicorn.heartbeat import Heartbeat
from tests.environments import standard_environment
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn

pytestmark = pytest.mark.live

VERSIONS = ("20.1.0", "21.2.0", "22.0.0", "23.0.0", "27.0.1")
TIMEOUT_S = 20.0
DEADLINE_S = 20.0

SYNC_HANGS = "import time\ndef connect():\n    time.sleep(3600)\nconnect()\n"
SYNC_SERVES = """
import time
def application(environ, start_response):
    if environ["PATH_INFO"] == "/stuck":
        time.sleep(3600)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
ASGI = """
import asyncio, os
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if "HANG" in os.environ:
            await asyncio.sleep(3600)
        await send({"type": "lifespan.startup.complete"})
        await receive()
"""


def heartbeat_of(worker: WorkerProcess) -> Heartbeat:
    assert worker.heartbeat_file is not None
    # No version is given: the file alone must tell.
    heartbeat = read_heartbeat(worker.heartbeat_file, SystemClock(), None)
    assert heartbeat is not None
    return heartbeat


def worker_of(gunicorn: GunicornProcess) -> WorkerProcess:
    finder = WorkerFinder(gunicorn.pid)
    end = time.monotonic() + DEADLINE_S
    while not (workers := finder.find()):
        assert time.monotonic() < end, gunicorn.log_text()
        time.sleep(0.02)
    [worker] = workers
    assert worker.id.pid in gunicorn.worker_pids()
    return worker


def wait_for_first_beat(worker: WorkerProcess) -> Heartbeat:
    end = time.monotonic() + DEADLINE_S
    while not (heartbeat := heartbeat_of(worker)).ever:
        assert time.monotonic() < end, "it never beat"
        time.sleep(0.02)
    return heartbeat


@pytest.mark.parametrize("version", VERSIONS)
def test_serving_then_stuck(version: str, tmp_path: Path) -> None:
    (tmp_path / "serves.py").write_text(SYNC_SERVES)
    with running_gunicorn(
        standard_environment(version),
        "serves:application",
        folder=tmp_path,
        timeout_s=TIMEOUT_S,
        working_directory=tmp_path,
    ) as gunicorn:
        worker = worker_of(gunicorn)
        assert wait_for_first_beat(worker).age_s < TIMEOUT_S / 2 + 1
        url = gunicorn.url("/")
        with urllib.request.urlopen(url, timeout=10) as response:
            assert response.read() == b"ok"
        # A request makes a sync worker beat.
        assert heartbeat_of(worker).age_s < 2
        threading.Thread(target=fetch_and_give_up, args=(gunicorn.url("/stuck"),), daemon=True).start()
        time.sleep(3)
        stuck = heartbeat_of(worker)
        assert stuck.ever
        assert 2 < stuck.age_s < 6


@pytest.mark.parametrize("version", VERSIONS)
def test_hanging_at_import(version: str, tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(SYNC_HANGS)
    with running_gunicorn(
        standard_environment(version),
        "hangs:application",
        folder=tmp_path,
        timeout_s=TIMEOUT_S,
        working_directory=tmp_path,
    ) as gunicorn:
        first = heartbeat_of(worker := worker_of(gunicorn))
        before = time.monotonic()
        time.sleep(2)
        second = heartbeat_of(worker)
    assert (first.ever, second.ever) == (False, False)
    assert second.age_s - first.age_s == pytest.approx(time.monotonic() - before, abs=1.5)
    assert second.age_s < 15


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("hangs", [True, False])
def test_uvicorn_worker(version: str, hangs: bool, tmp_path: Path) -> None:
    (tmp_path / "asgi.py").write_text(ASGI)
    with running_gunicorn(
        standard_environment(version),
        "asgi:application",
        folder=tmp_path,
        worker_class="uvicorn",
        timeout_s=TIMEOUT_S,
        working_directory=tmp_path,
        variables={"HANG": "1"} if hangs else {},
    ) as gunicorn:
        worker = worker_of(gunicorn)
        if hangs:
            gunicorn.wait_for_log("Waiting for application startup")
            time.sleep(1.5)
            heartbeat = heartbeat_of(worker)
            assert not heartbeat.ever
            assert heartbeat.age_s >= 1.5
        else:
            assert wait_for_first_beat(worker).age_s < TIMEOUT_S / 2 + 1


@pytest.mark.parametrize("offset_s", [100000, -60])
@pytest.mark.parametrize("version", ["21.2.0", "27.0.1"])
def test_in_another_time_namespace(version: str, offset_s: int, tmp_path: Path) -> None:
    """A container may have a monotonic clock of its own, with which 22 and later beat: the ages stay right."""
    unshare = ["unshare", "--time", "--monotonic", str(offset_s), "--fork", "--kill-child"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine does not allow time namespaces (or has run for less than a minute)")
    environment = standard_environment(version)
    (tmp_path / "serves.py").write_text(SYNC_SERVES)
    with running_gunicorn(
        environment,
        "serves:application",
        folder=tmp_path,
        timeout_s=TIMEOUT_S,
        working_directory=tmp_path,
        command=[*unshare, os.fspath(environment.gunicorn)],
    ) as wrapper:
        wrapper.wait_for_workers(1)
        [master] = psutil.Process(wrapper.pid).children()
        finder = WorkerFinder(master.pid)
        end = time.monotonic() + DEADLINE_S
        while not (workers := finder.find()):
            assert time.monotonic() < end, wrapper.log_text()
            time.sleep(0.02)
        assert wait_for_first_beat(workers[0]).age_s < TIMEOUT_S / 2 + 1


def fetch_and_give_up(url: str) -> None:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(url, timeout=15).read()
