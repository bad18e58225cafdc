"""A cgroup with a memory limit around gtdiag, and 32 workers that hang: what it takes, and what it says with less."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.environments import NEWEST, standard_environment
from tests.faults.measured import CannotTryError, Measured, measure, still_running
from tests.live.gtdiag_command import as_module
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn
from tests.live.servers import mute_server

WORKERS = 32
ENOUGH_MB = 80
"""Under which all is found: gtdiag's own memory, up to four py-spy side by side, and the pages of what they load."""
TOO_LITTLE_MB = 45
"""Enough to begin with, too little for the first looks; that it may be so is said before."""
CGROUP = Path("/sys/fs/cgroup/memory")


@contextlib.contextmanager
def limited(limit_mb: int) -> Iterator[tuple[list[str], Path]]:
    """What stands in front of a command that is to have so much memory, and its cgroup. Raises CannotTryError."""
    folder = CGROUP / f"gtdiag-fault-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        raise CannotTryError(f"no memory cgroup of version 1 can be made here: {error}") from None
    try:
        (folder / "memory.limit_in_bytes").write_text(f"{limit_mb}M")
        yield ["sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh"], folder
    finally:
        for _ in range(100):
            with contextlib.suppress(OSError):
                folder.rmdir()
                break
            time.sleep(0.1)


@contextlib.contextmanager
def stuck_workers(folder: Path, count: int) -> Iterator[GunicornProcess]:
    """That many, all in their start-up, for good."""
    with (
        mute_server() as server,
        running_gunicorn(
            standard_environment(NEWEST),
            "startup_contention:app",
            folder=folder,
            workers=count,
            worker_class="uvicorn",
            timeout_s=4,
            variables={"DATABASE_URL": f"postgresql://app:word@{server.peer}/app"},
        ) as gunicorn,
    ):
        gunicorn.wait_for_workers(count, deadline_s=90)
        end_s = time.monotonic() + 120  # two cores import the application 32 times
        while sum(bool(one.raddr) and one.raddr.port == server.port for one in psutil.net_connections("tcp4")) < count:
            if time.monotonic() > end_s:
                raise AssertionError("the workers do not come to their call")
            time.sleep(0.5)
        yield gunicorn


def watch_limited(gunicorn: GunicornProcess, folder: Path, limit_mb: int, watch_s: float = 12) -> tuple[Measured, int]:
    """A watch under the limit, and the most that its cgroup used, in MB."""
    with limited(limit_mb) as (command, cgroup):
        arguments = ("watch", str(gunicorn.pid), "--for", f"{watch_s:g}s", "--no-live", "--format", "json")
        record = ("--record", str(folder / "watch.jsonl"), "-o", str(folder / "report.json"))
        done = measure(folder, *arguments, *record, command=[*command, *as_module()])
        used_mb = int((cgroup / "memory.max_usage_in_bytes").read_text()) // 1_000_000
        left = [pid for pid in (cgroup / "cgroup.procs").read_text().split() if Path(f"/proc/{pid}").exists()]
        time.sleep(0.2 if left else 0)
        left = (cgroup / "cgroup.procs").read_text().split()
        if left:
            raise AssertionError(f"processes were left in the cgroup: {left}")
    report = folder / "report.json"
    text = report.read_text() if report.exists() else ""
    report.unlink(missing_ok=True)
    return Measured(done.status, text, done.stderr, done.peak_mb, done.cpu_s, done.took_s), used_mb


def memory() -> list[str]:
    """With enough all is found; with too little a line says so, or the kernel ends it and nothing is left behind."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtdiag-memory-")))
        gunicorn = stack.enter_context(stuck_workers(folder, WORKERS))
        workers = sorted(gunicorn.worker_pids())
        time.sleep(4)  # past the time-out: all of them are over it
        wrong = []
        for limit_mb, enough in ((ENOUGH_MB, True), (TOO_LITTLE_MB, False)):
            done, used_mb = watch_limited(gunicorn, folder, limit_mb, 12 if enough else 6)
            print(done.line("memory", f"limit {limit_mb} MB, {used_mb} MB used; "), flush=True)
            calls = [one["blocked"]["call"] for one in done.report["incidents"] if one["blocked"]]
            if enough:
                wrong += done.wrong()
                if calls != ["verify_database_migrations"] * WORKERS:
                    wrong.append(f"{len(calls)} calls were found of {WORKERS}")
            elif done.status not in (0, 1, 3, -signal.SIGKILL):
                wrong.append(f"exit code {done.status}: {done.stderr[-500:]}")
            if not enough:
                if "by the memory limit of its cgroup" not in done.stderr:
                    wrong.append(f"nothing was said of the limit: {done.stderr[-500:]}")
                again = measure(folder, "analyze", str(folder / "watch.jsonl"), "--format", "json")
                if len(again.report["workers"]) != WORKERS:
                    wrong.append(f"what was recorded until then cannot be read: {again.stderr[-300:]}")
            wrong += what_is_left(gunicorn, workers, folder)
    return [f"memory: {words}" for words in wrong]


def what_is_left(gunicorn: GunicornProcess, workers: list[int], folder: Path) -> list[str]:
    """What a gtdiag that is gone may not leave: a stopped worker, a py-spy, half a report."""
    wrong = []
    if sorted(gunicorn.worker_pids()) != workers:
        wrong.append("the workers are not those of before")
    for pid in workers:
        status = Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if fields["State"][0] not in "SRD" or fields["TracerPid"] != "0":
            wrong.append(f"worker {pid}: {fields['State']}, traced by {fields['TracerPid']}")
    end_s = time.monotonic() + 10
    while (left := [pid for worker in workers[:3] for pid in still_running("py-spy", f"--pid {worker}")]) and (
        time.monotonic() < end_s
    ):
        time.sleep(0.2)
    wrong += [f"py-spy is still there: {left}"] if left else []
    wrong += [f"left behind: {path.name}" for path in folder.iterdir() if path.name.endswith(".part")]
    return wrong


def least(lowest_mb: int = 12, highest_mb: int = 80) -> int:
    """The least limit under which all 32 calls are found, to 2 MB."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtdiag-memory-")))
        gunicorn = stack.enter_context(stuck_workers(folder, WORKERS))
        time.sleep(4)
        while highest_mb - lowest_mb > 2:
            middle = (lowest_mb + highest_mb) // 2
            done, used_mb = watch_limited(gunicorn, folder, middle)
            calls = [one["blocked"]["call"] for one in done.report["incidents"] if one["blocked"]]
            print(done.line("least", f"limit {middle} MB, {used_mb} MB used, {len(calls)} calls; "), flush=True)
            if calls == ["verify_database_migrations"] * WORKERS:
                highest_mb = middle
            else:
                lowest_mb = middle
    return highest_mb


if __name__ == "__main__":
    print(f"the least: {least()} MB")
