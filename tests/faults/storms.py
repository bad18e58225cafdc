"""What a machine in a storm does to a watch: a flood in the log, SIGHUP after SIGHUP, two thousand processes.

In each of them the watch must find the worker that hangs, stay below `MOST_MB`, and end with its report. The faults of
the modules beside this one have entries here too: each prints what gtdiag took and said, and gives what was wrong.

Usage: python -m tests.faults.storms [NAME ...]; without a name all of them, which takes some five minutes
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.environments import NEWEST, standard_environment
from tests.faults import (
    fork_storm,
    full_disk,
    hidden_processes,
    little_memory,
    pid_reuse,
    stepping_clock,
    worker_stopped,
)
from tests.faults.measured import CannotTryError, measure
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import mute_server

TIMEOUT_S = 6
WATCH_S = 14
MOST_MB = 200
FLOOD_BYTES_A_SECOND = 200_000_000
LINE = b'10.0.0.1 - - [05/Jan/2026:09:00:00 +0000] "GET /api/v1/items/17?page=3 HTTP/1.1" 200 5123 "-" "curl/8.5.0"\n'
Storm = Callable[[GunicornProcess, threading.Event], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def _in_a_thread(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join(30)


def flood(gunicorn: GunicornProcess, over: threading.Event) -> contextlib.AbstractContextManager[None]:
    """Access lines into the error log, 200 MB a second, as an application may that logs everything there."""
    block = LINE * (10_000_000 // len(LINE))

    def write() -> None:
        with gunicorn.log_path.open("ab", buffering=0) as log:
            while not over.is_set():
                began_s = time.monotonic()
                log.write(block)
                over.wait(max(0.0, len(block) / FLOOD_BYTES_A_SECOND - (time.monotonic() - began_s)))

    return _in_a_thread(write)


def hups(gunicorn: GunicornProcess, over: threading.Event) -> contextlib.AbstractContextManager[None]:
    """Ten reloads a second: workers come and go."""

    def signal_again_and_again() -> None:
        while not over.wait(0.1):
            os.kill(gunicorn.pid, signal.SIGHUP)

    return _in_a_thread(signal_again_and_again)


@contextlib.contextmanager
def processes(gunicorn: GunicornProcess, over: threading.Event) -> Iterator[None]:
    """Two thousand processes that sleep."""
    spawn = "import os, time\nfor _ in range(2000):\n    if os.fork() == 0:\n        time.sleep(600)\n"
    spawner = subprocess.Popen(
        [sys.executable, "-c", spawn + "print('ready', flush=True)\ntime.sleep(600)"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert spawner.stdout is not None
    spawner.stdout.readline()
    try:
        yield
    finally:
        os.killpg(spawner.pid, signal.SIGKILL)
        spawner.wait()


STORMS: dict[str, Storm] = {"flood": flood, "hups": hups, "processes": processes}
FAULTS: dict[str, Callable[[], list[str]]] = {
    "forks": fork_storm.forks,
    "deaths": fork_storm.deaths,
    "restarts": fork_storm.restarts,
    "pids": pid_reuse.pid_reuse,
    "clock-back": stepping_clock.clock_back,
    "clock-forward": stepping_clock.clock_forward,
    "memory": little_memory.memory,
    "disk": full_disk.disk,
    "tracer": worker_stopped.tracer,
    "hidepid": hidden_processes.hidepid,
}


def weather(name: str) -> list[str]:
    """Watch a server whose worker hangs while the storm goes on; what was wrong, in words."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtdiag-storm-")))
        server = stack.enter_context(mute_server())
        gunicorn = stack.enter_context(
            running_gunicorn(
                standard_environment(NEWEST),
                "sync_serving:application",
                folder=folder,
                workers=3,
                timeout_s=TIMEOUT_S,
                variables={"UPSTREAM_URL": f"http://{server.peer}/"},
            )
        )
        gunicorn.wait_for_workers(3)
        url = gunicorn.url("/urllib")
        over = threading.Event()
        asking: list[subprocess.Popen[bytes]] = []

        def ask(_pid: int) -> None:
            time.sleep(1)
            request = f"import urllib.request; urllib.request.urlopen('{url}')"
            asking.append(subprocess.Popen([sys.executable, "-c", request], stderr=subprocess.DEVNULL))

        with STORMS[name](gunicorn, over):
            watch = ("watch", str(gunicorn.pid), "--for", f"{WATCH_S}s", "--no-live", "--format", "json")
            done = measure(folder, *watch, meanwhile=ask)
            over.set()
        for process in asking:
            process.kill()
            process.wait()
    wrong = done.wrong(most_mb=MOST_MB)
    found = [incident for incident in done.report["incidents"] if "read_upstream" in incident["summary"]]
    if name != "hups" and not found:
        wrong.append("the call was not found")
    print(done.line(name), flush=True)
    return [f"{name}: {words}" for words in wrong]


def main() -> int:
    """The storms that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = (*STORMS, *FAULTS)
    parser.add_argument("storms", nargs="*", choices=[*names, []], metavar="NAME", help=f"of {', '.join(names)}")
    asked = parser.parse_args().storms or names
    if len(asked) > 1:
        # Each from a small process: what a child is said to have used at most begins with the size of its parent.
        again = [subprocess.run([sys.executable, "-m", "tests.faults.storms", name], check=False) for name in asked]
        return max(done.returncode for done in again)
    wrong = []
    for name in asked:
        try:
            found = weather(name) if name in STORMS else FAULTS[name]()
        except CannotTryError as error:
            print(f"{name:10} not tried: {error}", flush=True)
            continue
        print(f"{name:10} verdict: {'; '.join(found) or 'nothing found'}", flush=True)
        wrong += found
    print("\n".join(wrong) or "nothing found")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
