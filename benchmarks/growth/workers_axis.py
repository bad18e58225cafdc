"""`snapshot` by the number of workers that are stuck in their start-up."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.growth.measuring import add_medians
from benchmarks.measured_command import GTDIAG, run
from benchmarks.stuck_server import running_uvicorn

ROUNDS = 5
WORKERS = (1, 2, 4, 8, 16, 32, 64)
QUICK_WORKERS = (1, 2, 4)


def measure_workers(*, quick: bool) -> None:
    """A server for each number."""
    for workers in QUICK_WORKERS if quick else WORKERS:
        with tempfile.TemporaryDirectory() as name, running_uvicorn(Path(name), workers, hang=True) as gunicorn:
            command = [GTDIAG, "snapshot", str(gunicorn.pid)]
            costs = [run(command, allowed=(0, 1)) for _ in range(ROUNDS)]
            _check(run([*command, "--format", "json"], keep_errors=False, allowed=(0, 1)).output, workers)
        add_medians("workers", workers, costs)


def _check(report: str, workers: int) -> None:
    """The text lists the first workers only; the JSON lists all of them."""
    listed = json.loads(report)["workers"]
    named = sum("connect_to_database" in json.dumps(worker) for worker in listed)
    assert named == workers, f"of {workers} workers {named} were named"
