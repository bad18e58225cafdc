"""`analyze` by lines of log and by incidents."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.growth.measuring import add_medians
from benchmarks.large_logs import in_own_process, write_lines, write_time_outs
from benchmarks.measured_command import GTDIAG, run

ROUNDS = 3
LINES = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
QUICK_LINES = (10_000, 30_000, 100_000)
INCIDENTS = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
QUICK_INCIDENTS = (100, 300, 1_000)
INCIDENTS_AMONG_LINES = 30
"""The same number in every log, so that only the lines grow."""


def measure_lines(*, quick: bool) -> None:
    """Logs of more and more lines, with the same few time-outs."""
    for lines in QUICK_LINES if quick else LINES:
        _analyze("lines", lines, write_lines, lines, INCIDENTS_AMONG_LINES)


def measure_incidents(*, quick: bool) -> None:
    """Logs of nothing but more and more time-outs."""
    for incidents in QUICK_INCIDENTS if quick else INCIDENTS:
        _analyze("incidents", incidents, write_time_outs, incidents)


def _analyze(axis: str, x: int, write: Callable[..., object], *arguments: int) -> None:
    with tempfile.TemporaryDirectory(prefix="gtdiag-bench-") as folder:
        log = Path(folder) / "gunicorn.log"
        in_own_process(write, log, *arguments)
        command = [GTDIAG, "analyze", "--exit-zero", str(log)]
        add_medians(axis, x, [run(command, keep_output=False) for _ in range(ROUNDS)])
