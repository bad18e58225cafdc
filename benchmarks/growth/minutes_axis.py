"""Two real watches, sampled every few seconds: one of healthy workers, one of workers that time out again and again."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.growth.measuring import add_points
from benchmarks.measured_command import GTDIAG, cpu_seconds
from benchmarks.stuck_server import running_uvicorn
from tests.environments import NEWEST, standard_environment
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn

EVERY_S = 10.0
SECONDS, QUICK_SECONDS = 260.0, 30.0
SETTLES_S = 10.0
"""The start of a watch is no part of how it goes on."""
HEALTHY_WORKERS, TROUBLED_WORKERS = 8, 4
TIMEOUT_S = 5.0
TROUBLE_EVERY_S = 10.0


def measure_minutes(*, quick: bool) -> None:
    """Watch both side by side, each with a gtdiag of its own."""
    seconds = QUICK_SECONDS if quick else SECONDS
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        healthy = stack.enter_context(running_uvicorn(folder, HEALTHY_WORKERS, hang=False))
        troubled = stack.enter_context(_troubled_server())
        watches = {
            "healthy workers": stack.enter_context(_watch(healthy.pid)),
            f"a time-out every {TROUBLE_EVERY_S:g} s": stack.enter_context(_watch(troubled.pid)),
        }
        time.sleep(SETTLES_S)
        began_s = last_s = time.monotonic()
        used_s = {name: cpu_seconds(pid) for name, pid in watches.items()}
        while last_s - began_s < seconds:
            time.sleep(max(0.0, last_s + EVERY_S - time.monotonic()))
            now_s = time.monotonic()
            values = {}
            for name, pid in watches.items():
                cpu_s = cpu_seconds(pid)
                values[f"memory, {name}"] = psutil.Process(pid).memory_info().rss / 1e6
                values[f"CPU, {name}"] = 100 * (cpu_s - used_s[name]) / (now_s - last_s)
                used_s[name] = cpu_s
            add_points("minutes", round((now_s - began_s) / 60, 3), values)
            last_s = now_s
        time_outs = troubled.log_text().count("WORKER TIMEOUT")
        print(f"{time_outs} time-outs in {last_s - began_s:.0f} s", flush=True)
        assert time_outs >= (seconds / TROUBLE_EVERY_S) / 2, troubled.log_text()


@contextlib.contextmanager
def _watch(pid: int) -> Iterator[int]:
    command = [GTDIAG, "watch", str(pid), "--no-live"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def _troubled_server() -> Iterator[GunicornProcess]:
    """A server that is asked, every few seconds, for what no worker ever finishes."""
    with (
        tempfile.TemporaryDirectory() as name,
        running_gunicorn(
            standard_environment(NEWEST),
            "sync_serving:application",
            folder=Path(name),
            workers=TROUBLED_WORKERS,
            timeout_s=TIMEOUT_S,
        ) as gunicorn,
    ):
        gunicorn.wait_for_workers(TROUBLED_WORKERS)
        over = threading.Event()
        asker = threading.Thread(target=_ask_for_trouble, args=(gunicorn.url("/slow"), over))
        asker.start()
        try:
            yield gunicorn
        finally:
            over.set()
            asker.join()


def _ask_for_trouble(url: str, over: threading.Event) -> None:
    while not over.is_set():
        began_s = time.monotonic()
        with contextlib.suppress(OSError):  # the worker is killed before it answers
            urllib.request.urlopen(url, timeout=TROUBLE_EVERY_S).close()
        over.wait(max(0.0, began_s + TROUBLE_EVERY_S - time.monotonic()))
