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
        print(f"{len(made)} logs, {total_bytes / 1e6:.0f} MB")
        reports = [
            analyze(logs, "one process", total_bytes, "--jobs", "1"),
            analyze(logs, "two processes", total_bytes, "--jobs", "2"),
        ]
        with dask_cluster(Path(name), workers=2) as address:
            reports.append(analyze(logs, "Dask, two workers", total_bytes, "--scheduler", address))
    print("the reports are", "the same, byte for byte" if len(set(reports)) == 1 else "NOT the same")
    sys.exit(len(set(reports)) != 1)


def analyze(logs: Path, how: str, total_bytes: int, *options: str) -> str:
    """The digest of the report, after a line about what it took."""
    started = time.perf_counter()
    process = subprocess.Popen([*ANALYZE, *options, os.fspath(logs)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    report = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"analyze ended with {process.returncode}")
    digest = hashlib.sha256(report).hexdigest()
    print(
        f"{how:<18} {seconds:7.1f} s, {total_bytes / 1e6 / seconds:6.1f} MB/s, peak {usage.ru_maxrss / 1024:.0f} MB, "
        f"report {len(report)} bytes, sha256 {digest[:16]}",
        flush=True,
    )
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
