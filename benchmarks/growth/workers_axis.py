"""`snapshot` by the number of workers that are stuck in their start-up."""

from __future__ import annotations

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
            costs = [run([GTDIAG, "snapshot", str(gunicorn.pid)], allowed=(0, 1)) for _ in range(ROUNDS)]
        named = costs[-1].output.count("connect_to_database")
        assert named >= workers, f"of {workers} workers {named} were named\n{costs[-1].output}"
        add_medians("workers", workers, costs)
