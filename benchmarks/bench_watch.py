"""What a watch costs: CPU of gtdiag and of its py-spy processes for healthy and stuck workers; a snapshot's time.

    python benchmarks/bench_watch.py [SECONDS] [GUNICORN_VERSION]

Needs the test environments (python -m tests.environments), so run it from the repository's folder.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.results import Figure, add_result
from benchmarks.stuck_server import running_uvicorn
from gtdiag.collectors.live import LiveCollector
from gtdiag.collectors.snapshot import collect_snapshot
from tests.environments import NEWEST, Environment, standard_environment

TABLE = "What runs on of a watch, after its start, in one process"


def cpu_seconds(who: int) -> float:
    """User and system time used so far."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def measure(environment: Environment, workers: int, seconds: float, *, hang: bool) -> None:
    """Watch one server and print what it cost."""
    with (
        tempfile.TemporaryDirectory() as name,
        running_uvicorn(Path(name), workers, hang=hang, environment=environment, timeout_s=30) as gunicorn,
    ):
        # What is imported when first needed is no part of a watch's running cost.
        list(LiveCollector(gunicorn.pid, for_s=1).events())
        own, others = cpu_seconds(resource.RUSAGE_SELF), cpu_seconds(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        counts = Counter(type(event).__name__ for event in LiveCollector(gunicorn.pid, for_s=seconds).events())
        took = time.monotonic() - started
        own = cpu_seconds(resource.RUSAGE_SELF) - own
        others = cpu_seconds(resource.RUSAGE_CHILDREN) - others
        started = time.monotonic()
        list(collect_snapshot(gunicorn.pid))
        snapshot = time.monotonic() - started
    state = "stuck in start-up" if hang else "healthy"
    for what, cpu_s in (("gtdiag", own), ("its py-spy processes", others)):
        add_result(Figure(TABLE, f"{workers} workers, {state}: {what}", 100 * cpu_s / took, "% of a core"))
    print(
        f"{workers:3} workers, {state:17}: gtdiag {100 * own / took:5.2f} %, py-spy {100 * others / took:5.2f} % of a "
        f"core; {counts['StackSample']} looks in {took:.0f} s; a snapshot takes {snapshot:.2f} s",
        flush=True,
    )


def main() -> None:
    """Measure each case."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    environment = standard_environment(sys.argv[2] if len(sys.argv) > 2 else NEWEST)
    for workers, hang in ((8, False), (4, True), (32, True)):
        measure(environment, workers, seconds, hang=hang)


if __name__ == "__main__":
    main()
