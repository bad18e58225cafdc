"""`snapshot` by the number of workers that are stuck in their start-up."""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

from benchmarks.growth.measuring import add_medians, add_points
from benchmarks.measured_command import GTDIAG, PY_SPY, run
from benchmarks.stuck_server import running_uvicorn

ROUNDS = 5
WORKERS = (1, 2, 4, 8, 16, 32, 64)
QUICK_WORKERS = (1, 2, 4)


def measure_workers(*, quick: bool) -> None:
    """A server for each number."""
    for workers in QUICK_WORKERS if quick else WORKERS:
        with tempfile.TemporaryDirectory() as name, running_uvicorn(Path(name), workers, hang=True) as gunicorn:
            command = [GTDIAG, "snapshot", str(gunicorn.pid)]
            dumps = [[PY_SPY, "dump", "--pid", str(pid)] for pid in gunicorn.worker_pids()]
            costs, dumped_s = [], []
            for _ in range(ROUNDS):  # in turn: a ratio of two minutes of a machine would say something of the machine
                costs.append(run(command, allowed=(0, 1)))
                dumped_s.append(sum(run(dump).took_s for dump in dumps))
            _check(run([*command, "--format", "json"], keep_errors=False, allowed=(0, 1)).output, workers)
        add_medians("workers", workers, costs)
        add_points("workers", workers, {"py-spy dump of each, which names no call": statistics.median(dumped_s)})


def _check(report: str, workers: int) -> None:
    """The text lists the first workers only; the JSON lists all of them."""
    listed = json.loads(report)["workers"]
    named = sum("connect_to_database" in json.dumps(worker) for worker in listed)
    assert named == workers, f"of {workers} workers {named} were named"
