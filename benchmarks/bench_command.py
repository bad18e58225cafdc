"""What a whole `gtdiag watch` costs beside `py-spy record` on the same server: CPU, memory, and a snapshot's time.

    python benchmarks/bench_command.py [SECONDS] [WORKERS]

Each command runs as its user would start it, in a process of its own; its CPU and memory are what the kernel says of it
and of its children when it ends (getrusage(2)).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.bench_watch import APPLICATION
from tests.environments import NEWEST, standard_environment
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn

BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one command, children included."""

    took_s: float
    cpu_s: float
    peak_mb: float
    output: str

    def __str__(self) -> str:
        share = 100 * self.cpu_s / self.took_s
        return f"{share:6.2f} % of a core, {self.peak_mb:5.1f} MB at most, {self.took_s:6.2f} s"


def run(command: Sequence[str]) -> Cost:
    """Run a command to its end."""
    with tempfile.TemporaryFile("w+") as output:
        began_s = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, _, usage = os.wait4(process.pid, 0)
        took_s = time.monotonic() - began_s
        output.seek(0)
        return Cost(took_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output.read())


def watch(pid: int, seconds: float, *options: str) -> Cost:
    """`gtdiag watch`, as a CI job would start it."""
    return run([str(BIN / "gtdiag"), "watch", str(pid), "--for", f"{seconds:g}s", "--no-live", *options])


def measure_healthy(gunicorn: GunicornProcess, workers: int, seconds: float, folder: Path) -> None:
    """A server that has nothing."""
    print(f"gtdiag watch, {workers} healthy workers:      {watch(gunicorn.pid, seconds)}", flush=True)
    record = [str(BIN / "py-spy"), "record", "--subprocesses", "--rate", "10", "--duration", f"{seconds:g}"]
    cost = run([*record, "--format", "raw", "--output", str(folder / "raw.txt"), "--pid", str(gunicorn.pid)])
    print(f"py-spy record --subprocesses --rate 10: {cost}", flush=True)


def measure_stuck(gunicorn: GunicornProcess, pids: Sequence[int], seconds: float) -> None:
    """Every worker stuck at once: a snapshot, py-spy on each of them, and the watch."""
    snapshots = [run([str(BIN / "gtdiag"), "snapshot", str(gunicorn.pid)]) for _ in range(5)]
    blamed = snapshots[0].output.count("connect_to_database")
    took_s = statistics.median(cost.took_s for cost in snapshots)
    print(
        f"gtdiag snapshot of {len(pids)} stuck workers: {took_s:.2f} s (median of 5), named {blamed} times", flush=True
    )
    began_s = time.monotonic()
    for pid in pids:
        run([str(BIN / "py-spy"), "dump", "--pid", str(pid)])
    print(f"py-spy dump, one after the other:       {time.monotonic() - began_s:.2f} s", flush=True)
    print(f"gtdiag watch, {len(pids)} stuck workers:        {watch(gunicorn.pid, seconds)}", flush=True)


def main() -> None:
    """Measure a healthy server, then one that hangs in its start-up."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    for hang in (False, True):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "measured.py").write_text(APPLICATION)
            with running_gunicorn(
                standard_environment(NEWEST),
                "measured:application",
                folder=folder,
                working_directory=folder,
                worker_class="uvicorn",
                workers=workers,
                timeout_s=30 if not hang else 3600,
                variables={"HANG": "1"} if hang else {},
            ) as gunicorn:
                gunicorn.wait_for_log("Waiting for application startup", workers, deadline_s=120)
                time.sleep(3)
                if hang:
                    measure_stuck(gunicorn, gunicorn.worker_pids(), seconds)
                else:
                    measure_healthy(gunicorn, workers, seconds, folder)


if __name__ == "__main__":
    main()
