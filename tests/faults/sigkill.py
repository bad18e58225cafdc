"""gtdiag killed with SIGKILL at random moments, again and again: the server must not notice.

In turn a watch that records, and a snapshot, which looks into every worker at once, by py-spy too.

Usage: python -m tests.faults.sigkill [TIMES] [--jobs N] [--seed N]
"""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from gtdiag.errors import RecordingError
from gtdiag.recording.reader import read_recording
from tests.environments import standard_environment
from tests.live.gtdiag_command import as_module
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import mute_server

VERSION = "21.2.0"
WORKERS = 3
TIMEOUT_S = 600
LONGEST_S = 2.0
"""A snapshot has ended by then, most of the time; a watch goes on."""

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")


@dataclass
class Outcome:
    """What was found after the kills."""

    kills: int = 0
    found: list[str] = field(default_factory=list)
    """What was wrong, each time in words; empty is as it should be."""
    seen: Counter[str] = field(default_factory=Counter)
    """What the kills met: events that the recordings held, recordings that had not begun."""


def kill_at_random(times: int, *, jobs: int, seed: int) -> Outcome:
    """Watch a server with a stuck worker `times` times, end each watch by SIGKILL, and look at what is left."""
    outcome = Outcome()
    rng = random.Random(seed)
    moments = [(number, rng.uniform(0.0, LONGEST_S)) for number in range(times)]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtdiag-faults-")))
        served, recordings = folder / "served", folder / "recordings"
        served.mkdir()
        recordings.mkdir()
        server = stack.enter_context(mute_server())
        gunicorn = stack.enter_context(
            running_gunicorn(
                standard_environment(VERSION),
                "sync_serving:application",
                folder=served,
                workers=WORKERS,
                timeout_s=TIMEOUT_S,
                variables={"UPSTREAM_URL": f"http://{server.peer}/"},
            )
        )
        workers = gunicorn.wait_for_workers(WORKERS)
        stuck = subprocess.Popen(
            [sys.executable, "-c", f"import urllib.request; urllib.request.urlopen('{gunicorn.url('/urllib')}')"],
            stderr=subprocess.DEVNULL,
        )
        try:
            log_bytes = (served / "gunicorn.log").read_bytes()
            with ThreadPoolExecutor(jobs) as pool:
                for number, found, events in pool.map(
                    lambda one: (one[0], *_kill_one(gunicorn, workers, recordings, *one)), moments
                ):
                    outcome.kills += 1
                    outcome.found += [f"kill {number}: {words}" for words in found]
                    outcome.seen[what_of(number, events)] += events or 1
            left = [path.name for path in recordings.iterdir() if not path.name.startswith("kill-")]
            outcome.found += [f"left behind: {name}" for name in left]
            outcome.found += [] if stuck.poll() is None else ["the request that was in flight ended"]
            if sorted(gunicorn.worker_pids()) != sorted(workers):
                outcome.found.append("the workers are not those of before")
            if (served / "gunicorn.log").read_bytes() != log_bytes:
                outcome.found.append("gunicorn's log says something")
            outcome.found += _still_there()
        finally:
            stuck.kill()
            stuck.wait()
    return outcome


def what_of(number: int, events: int | None) -> str:
    if number % 2:
        return "snapshots"
    return "watches that had not recorded anything" if events is None else "events recorded"


def _kill_one(
    gunicorn: GunicornProcess, workers: list[int], folder: Path, number: int, after_s: float
) -> tuple[list[str], int | None]:
    recording = folder / f"kill-{number}{SUFFIXES[number // 2 % len(SUFFIXES)]}"
    watches = number % 2 == 0
    options = ("--record", str(recording), "--interval", "0.2s") if watches else ()
    process = subprocess.Popen(
        [*as_module(), "watch" if watches else "snapshot", str(gunicorn.pid), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(after_s)
    process.kill()
    process.wait()
    found = []
    for pid in (gunicorn.pid, *workers):
        status = Path(f"/proc/{pid}/status").read_text()
        state = next(line.split()[1] for line in status.splitlines() if line.startswith("State:"))
        tracer = next(line.split()[1] for line in status.splitlines() if line.startswith("TracerPid:"))
        if state not in "SRD" or tracer != "0":
            found.append(f"process {pid} is in state {state}, traced by {tracer}")
    try:
        with urllib.request.urlopen(gunicorn.url("/"), timeout=60) as answer:
            answer.read()
    except OSError as error:
        found.append(f"the server does not answer: {error}")
    if not recording.exists() or recording.stat().st_size == 0:
        return found, None
    try:
        return found, sum(1 for _ in read_recording(str(recording)))
    except RecordingError as error:
        if "is empty" in error.message or "no line" in error.message:
            return found, None
        return [*found, f"{recording.name} cannot be read: {error.message}"], None


def _still_there() -> list[str]:
    """A py-spy that outlives gtdiag ends with its one look."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        left = [
            one
            for one in psutil.process_iter(["name", "ppid"])
            if one.info["name"] == "py-spy" and one.info["ppid"] == 1
        ]
        if not left:
            return []
        time.sleep(0.2)
    return [f"py-spy is still there: {one.pid}" for one in left]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("times", type=int, nargs="?", default=1000)
    parser.add_argument("--jobs", type=int, default=4, help="watches side by side")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    outcome = kill_at_random(arguments.times, jobs=arguments.jobs, seed=arguments.seed)
    print("\n".join(outcome.found[:50]) or "nothing found")
    seen = ", ".join(f"{what}: {count}" for what, count in sorted(outcome.seen.items()))
    print(f"{outcome.kills} kills in {time.monotonic() - began:.0f} s, {len(outcome.found)} faults; {seen}")
    sys.exit(bool(outcome.found))


if __name__ == "__main__":
    main()
