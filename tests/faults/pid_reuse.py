"""A worker's pid is given away while it is watched: to another process, and to the next worker.

In a PID namespace of its own, where root says which pid comes next (/proc/sys/kernel/ns_last_pid).

Usage, by itself: python -m tests.faults.pid_reuse, which starts itself once more in such a namespace.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.environments import NEWEST, REPOSITORY, standard_environment
from tests.faults.measured import CannotTryError, measure
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import mute_server

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
TIMEOUT_S, WATCH_S = 9, 11
"""A sync worker is looked at when it has not beaten for 55 % of the time-out and half a second."""
DECOY = """
import sys, time
def innocent_bystander():
    print("up", flush=True)
    time.sleep(600)
innocent_bystander()
"""
"""The other process: a Python too, whose stack would be read as readily as the worker's."""


def pid_reuse(*ways: str) -> list[str]:
    """In a namespace, both ways or those that are named; what was wrong, in words. Raises CannotTryError."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        raise CannotTryError("needs root and unshare (util-linux)")
    unshare = ["unshare", "--pid", "--mount-proc", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        raise CannotTryError("no PID namespace can be made here")
    command = [*unshare, sys.executable, "-m", "tests.faults.pid_reuse", *ways]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=REPOSITORY, timeout=150)
    print(done.stdout, end="", flush=True)
    if done.returncode == 0:
        return []
    return done.stderr.splitlines()[-20:] or [f"the namespace ended with {done.returncode}"]


def by_another_worker() -> list[str]:
    """The worker that hangs is killed, and the one that takes its place has its pid, and serves."""

    def reuse(gunicorn: GunicornProcess, worker: int) -> int:
        os.kill(gunicorn.pid, signal.SIGSTOP)  # until the pid after the next is settled
        os.kill(worker, signal.SIGKILL)
        _set_next(worker)
        os.kill(gunicorn.pid, signal.SIGCONT)
        return worker

    def look(report: dict[str, Any], worker: int) -> list[str]:
        same = [one for one in report["workers"] if one["pid"] == worker]
        if len(same) != 2:
            return [f"{len(same)} workers had pid {worker}, expected two"]
        old, new = sorted(same, key=lambda one: str(one["booted_at"]))
        wrong = []
        if (old["blocked"] or {}).get("call") != "read_upstream":
            wrong.append(f"the old one was blocked in {old['blocked']}")
        if old["ended_at"] is None or new["ended_at"] is not None:
            wrong.append(f"the old one ended at {old['ended_at']}, the new one at {new['ended_at']}")
        if (new["blocked"] or {}).get("call") == "read_upstream":
            wrong.append("the new one got the old one's call")
        if (new["heartbeat_age_s"] or 99) > 5:
            wrong.append(f"the new one's heartbeat is {new['heartbeat_age_s']} s old")
        return wrong

    return _watch("by another worker", reuse, look)


def by_another_process() -> list[str]:
    """The worker that hangs is killed, the master does not replace it, and another Python gets its pid."""
    decoys: list[subprocess.Popen[bytes]] = []

    def reuse(gunicorn: GunicornProcess, worker: int) -> int:
        os.kill(gunicorn.pid, signal.SIGTTOU)  # one worker fewer: the oldest, which cannot end by itself
        os.kill(worker, signal.SIGKILL)
        end_s = time.monotonic() + 5
        while Path(f"/proc/{worker}").exists() and time.monotonic() < end_s:
            time.sleep(0.001)
        for _ in range(50):
            _set_next(worker)
            decoy = subprocess.Popen([sys.executable, "-c", DECOY], stdout=subprocess.PIPE)
            decoys.append(decoy)
            if decoy.pid == worker:
                break
        return decoys[-1].pid

    def look(report: dict[str, Any], worker: int) -> list[str]:
        wrong = [] if decoys[-1].pid == worker else [f"the pid was not reused: {[one.pid for one in decoys]}"]
        if "innocent_bystander" in json.dumps(report):
            wrong.append("the other process's stack is in the report")
        same = [one for one in report["workers"] if one["pid"] == worker]
        if len(same) != 1 or same[0]["ended_at"] is None:
            wrong.append(f"workers with pid {worker}: {same}")
        elif (same[0]["blocked"] or {}).get("call") != "read_upstream":
            wrong.append(f"it was blocked in {same[0]['blocked']}")
        return wrong

    try:
        return _watch("by another process", reuse, look)
    finally:
        for decoy in decoys:
            decoy.kill()
            decoy.wait()


WAYS = {"worker": by_another_worker, "process": by_another_process}


def _set_next(pid: int) -> None:
    LAST_PID.write_text(str(pid - 1))


def _watch(
    name: str, reuse: Callable[[GunicornProcess, int], int], look: Callable[[dict[str, Any], int], list[str]]
) -> list[str]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtdiag-pids-")))
        server = stack.enter_context(mute_server())
        gunicorn = stack.enter_context(
            running_gunicorn(
                standard_environment(NEWEST),
                "sync_serving:application",
                folder=folder,
                workers=2,
                timeout_s=TIMEOUT_S,
                options=("--no-control-socket",),
                variables={"UPSTREAM_URL": f"http://{server.peer}/"},
            )
        )
        gunicorn.wait_for_workers(2)
        ask = f"import urllib.request; urllib.request.urlopen('{gunicorn.url('/urllib')}')"
        asking = subprocess.Popen([sys.executable, "-c", ask], stderr=subprocess.DEVNULL)
        stack.callback(asking.wait)
        stack.callback(asking.kill)
        stuck = _stuck_worker(gunicorn)
        given: list[int] = []
        act = threading.Timer(7, lambda: given.append(reuse(gunicorn, stuck)))
        act.start()
        done = measure(folder, "watch", str(gunicorn.pid), "--for", f"{WATCH_S}s", "--no-live", "--format", "json")
        act.join()
        wrong = [*done.wrong(), *look(done.report, stuck)]
        if given != [stuck]:
            wrong.append(f"the pid {stuck} was to be given away, and that was {given}")
    print(done.line("pids", f"{name}; "), flush=True)
    return [f"pids {name}: {words}" for words in wrong]


def _stuck_worker(gunicorn: GunicornProcess) -> int:
    """The worker that has the request: it no longer waits for connections."""
    end_s = time.monotonic() + 10
    while time.monotonic() < end_s:
        for pid in gunicorn.worker_pids():
            sockets = 0
            with contextlib.suppress(OSError):  # it goes on opening and closing files, or has just ended
                for link in Path(f"/proc/{pid}/fd").iterdir():
                    sockets += os.readlink(link).startswith("socket:")  # noqa: PTH115
            if sockets >= 3:  # the listener, the client, the upstream
                return pid
        time.sleep(0.05)
    raise AssertionError("no worker took the request")


def main() -> int:
    """In the namespace."""
    wrong = [words for way in sys.argv[1:] or WAYS for words in WAYS[way]()]
    print("\n".join(wrong), file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
