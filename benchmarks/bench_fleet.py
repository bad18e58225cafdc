"""A folder of many hosts' logs: one process, two, and a local Dask cluster of two workers; are the reports the same?

Usage: python benchmarks/bench_fleet.py [HOSTS] [--megabytes N]
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured_command import run
from benchmarks.results import Fact, Figure, add_result
from tests.fleet_logs import make_fleet

ANALYZE = (sys.executable, "-m", "gtdiag", "analyze", "--fleet", "--exit-zero", "--format", "json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hosts", type=int, nargs="?", default=100)
    parser.add_argument("--megabytes", type=float, default=1.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gtdiag-bench-") as name:
        logs = Path(name) / "logs"
        made = make_fleet(logs, arguments.hosts, int(arguments.megabytes * 1_000_000))
        total_bytes = sum(path.stat().st_size for path in made)
        table = f"`analyze --fleet` of {len(made):,} logs of as many hosts, {total_bytes / 1e6:,.0f} MB together"
        print(f"{len(made)} logs, {total_bytes / 1e6:.0f} MB")
        reports = [
            analyze(table, logs, "one process", total_bytes, "--jobs", "1"),
            analyze(table, logs, "two processes", total_bytes, "--jobs", "2"),
        ]
        with dask_cluster(Path(name), workers=2) as address:
            reports.append(
                analyze(table, logs, "a local Dask cluster of two workers", total_bytes, "--scheduler", address)
            )
    same = len(set(reports)) == 1
    print("the reports are", "the same, byte for byte" if same else "NOT the same")
    add_result(Fact(table, "the same report from all of them, byte for byte", same))
    sys.exit(not same)


def analyze(table: str, logs: Path, how: str, total_bytes: int, *options: str) -> str:
    """The digest of the report, after a line about what it took."""
    cost = run([*ANALYZE, *options, os.fspath(logs)], keep_errors=False)
    report, seconds = cost.output.encode(), cost.took_s
    digest = hashlib.sha256(report).hexdigest()
    print(
        f"{how:<18} {seconds:7.1f} s, {total_bytes / 1e6 / seconds:6.1f} MB/s, peak {cost.peak_mb:.0f} MB, "
        f"report {len(report)} bytes, sha256 {digest[:16]}",
        flush=True,
    )
    add_result(Figure(table, how, seconds, "s"))
    add_result(Figure(table, f"{how}, peak memory of the process that merges", cost.peak_mb, "MB"))
    return digest


@contextlib.contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[str]:
    """The address of a scheduler on this machine with workers of one thread each."""
    address_file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    processes = [subprocess.Popen([*dask, *scheduler, "--scheduler-file", address_file], cwd=folder, **quiet)]
    try:
        for _ in range(workers):
            worker = ["worker", "--nthreads", "1", "--no-dashboard", "--scheduler-file", os.fspath(address_file)]
            processes.append(subprocess.Popen([*dask, *worker], cwd=folder, **quiet))
        from distributed import Client

        while not address_file.exists():
            time.sleep(0.1)
        with Client(scheduler_file=os.fspath(address_file)) as client:
            client.wait_for_workers(workers, timeout=120)
            yield str(client.scheduler.address)
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
