"""A master whose workers exit as they boot, and which forks the next as fast as it can; one worker hangs beside them.

gunicorn pauses for up to 0.1 s after each fork (Arbiter.spawn_workers), which makes some 20 a second whatever the
number of workers; without that pause it is as many as the machine gives.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.environments import NEWEST, standard_environment
from tests.faults.measured import Measured, measure
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import mute_server

STAY = 2
WORKERS = 12
TIMEOUT_S = 5
CONFIGURATION = """
import os

def post_fork(server, worker):
    if worker.age > {stay}:
        os._exit(1)
"""
WITHOUT_PAUSE = """
import gunicorn.arbiter

class NoPause:
    @staticmethod
    def random():
        return 0.0

gunicorn.arbiter.random = NoPause
"""
BOOTING = re.compile(rb"Booting worker with pid")
"""Is logged by the worker, after post_fork: of those that exit the master's line is counted."""
EXITED = re.compile(rb"\) exited with code 1")
MOST_MB = 200.0
MOST_REPORT_MB = 30.0


@contextlib.contextmanager
def _dying_workers(folder: Path, *, pause: bool) -> Iterator[GunicornProcess]:
    configuration = folder / "gunicorn.conf.py"
    configuration.write_text(CONFIGURATION.format(stay=STAY) + ("" if pause else WITHOUT_PAUSE))
    with (
        mute_server() as server,
        running_gunicorn(
            standard_environment(NEWEST),
            "sync_serving:application",
            folder=folder,
            workers=WORKERS,
            timeout_s=TIMEOUT_S,
            options=("--config", str(configuration)),
            variables={"UPSTREAM_URL": f"http://{server.peer}/"},
        ) as gunicorn,
    ):
        gunicorn.wait_until_listening()
        yield gunicorn


def _count(log: Path) -> int:
    return len(EXITED.findall(log.read_bytes()))


def _watch(folder: Path, gunicorn: GunicornProcess, watch_s: float, *options: str) -> tuple[Measured, float]:
    """The watch, and how many workers exited in a second of it."""
    before, began_s = _count(gunicorn.log_path), time.monotonic()
    asking: list[subprocess.Popen[bytes]] = []

    def ask(_watch: object) -> None:
        time.sleep(1)
        request = f"import urllib.request; urllib.request.urlopen('{gunicorn.url('/urllib')}')"
        asking.append(subprocess.Popen([sys.executable, "-c", request], stderr=subprocess.DEVNULL))

    arguments = ("watch", str(gunicorn.pid), "--for", f"{watch_s:g}s", "--no-live", "--format", "json", *options)
    done = measure(folder, *arguments, meanwhile=ask)
    rate = (_count(gunicorn.log_path) - before) / (time.monotonic() - began_s)
    for process in asking:
        process.kill()
        process.wait()
    return done, rate


def _storm(name: str, watch_s: float, *, pause: bool, least_rate: float) -> list[str]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtdiag-forks-")))
        gunicorn = stack.enter_context(_dying_workers(folder, pause=pause))
        done, rate = _watch(folder, gunicorn, watch_s)
        wrong = _look(done)
        if rate < least_rate:
            wrong.append(f"only {rate:.0f} workers a second")
        if done.took_s > watch_s + 20:
            wrong.append(f"it took {done.took_s:.0f} s")
    print(done.line(name, f"{rate:.0f} workers a second; "), flush=True)
    return [f"{name}: {words}" for words in wrong]


def _look(done: Measured) -> list[str]:
    wrong = done.wrong(most_mb=MOST_MB)
    report = done.report
    if not any("read_upstream" in incident["summary"] for incident in report["incidents"]):
        wrong.append("the call of the worker that hangs was not found")
    if len(done.stdout) > MOST_REPORT_MB * 1e6:
        wrong.append(f"the report has {len(done.stdout) / 1e6:.0f} MB")
    return wrong


def forks() -> list[str]:
    """As many as the machine gives: more than a hundred a second."""
    return _storm("forks", 12, pause=False, least_rate=100)


def deaths(watch_s: float = 12) -> list[str]:
    """As gunicorn does it by itself."""
    return _storm("deaths", watch_s, pause=True, least_rate=8)


def restarts() -> list[str]:
    """Until 10,000 workers have come and gone, watched; then the log that was written, analyzed."""
    wanted = 10_000
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtdiag-restarts-")))
        gunicorn = stack.enter_context(_dying_workers(folder, pause=False))
        began_s = time.monotonic()
        enough = threading.Event()

        def end(watch_pid: int) -> None:
            while not enough.wait(1.0) and _count(gunicorn.log_path) < wanted and time.monotonic() - began_s < 300:
                pass
            os.kill(watch_pid, signal.SIGTERM)

        request = f"import urllib.request; urllib.request.urlopen('{gunicorn.url('/urllib')}')"
        asking = subprocess.Popen([sys.executable, "-c", request], stderr=subprocess.DEVNULL)
        arguments = ("watch", str(gunicorn.pid), "--no-live", "--format", "json", "--record", str(folder / "rec.jsonl"))
        done = measure(folder, *arguments, meanwhile=end)
        count, took_s = _count(gunicorn.log_path), time.monotonic() - began_s
        asking.kill()
        asking.wait()
        wrong = _look(done)
        if count < wanted:
            wrong.append(f"only {count} restarts in {took_s:.0f} s")
        print(done.line("restarts", f"{count} in {took_s:.0f} s; "), flush=True)
        gunicorn.stop()
        for saved in ("gunicorn.log", "rec.jsonl"):
            size_mb = (folder / saved).stat().st_size / 1e6
            again = measure(folder, "analyze", str(folder / saved), "--format", "json")
            wrong += [f"{saved}: {words}" for words in again.wrong(most_mb=MOST_MB)]
            print(
                again.line("  again", f"{saved}, {size_mb:.1f} MB; report {len(again.stdout) / 1e6:.1f} MB; "),
                flush=True,
            )
    return [f"restarts: {words}" for words in wrong]
