"""Whether a server serves less while it is watched: pairs of runs of wrk, watched and not watched in turn.

    python benchmarks/bench_served.py [PAIRS] [SECONDS]

Needs wrk (Debian: wrk). Prints, for throughput and the 99th percentile of latency, the mean of the pairs' ratios
(watched / not watched) and its 95 % confidence interval (bootstrap over the pairs): 1.00 inside of it means that no
difference was measured. Which of a pair comes first alternates, so that a machine that warms up favours neither.
"""

from __future__ import annotations

import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.results import Aim, Figure, Ratio, add_result, say_missing
from tests.environments import NEWEST, standard_environment
from tests.live.gunicorn_process import running_gunicorn

BIN = Path(sys.executable).parent
APPLICATION = """
def application(environ, start_response):
    body = b"x" * 1000
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
WORKERS = 4
NO_FEWER, NO_LATER = Aim(at_least=1, of="no worse"), Aim(at_most=1, of="no worse")
UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def serve(address: str, seconds: float) -> tuple[float, float]:
    """Requests a second and the 99th percentile of latency in milliseconds."""
    command = ["wrk", "--threads", "1", "--connections", "8", "--duration", f"{seconds:g}s", "--latency", address]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    latency = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    assert rate is not None and latency is not None, text
    return float(rate[1]), float(latency[1]) * UNITS_MS[latency[2]]


def interval(ratios: list[float]) -> Ratio:
    """Mean and 95 % interval of the mean."""
    rng = random.Random(1)
    means = sorted(statistics.fmean(rng.choices(ratios, k=len(ratios))) for _ in range(10_000))
    return Ratio(statistics.fmean(ratios), means[250], means[9749], len(ratios), interval="95 % interval")


def add(table: str, what: str, unit: str, aim: Aim, watched: list[float], alone: list[float]) -> None:
    """Print and record the mean of the pairs' ratios."""
    ratio = interval([one / other for one, other in zip(watched, alone, strict=True)])
    print(f"  {what:<18} {ratio.middle:.3f} ({ratio.low:.3f} to {ratio.high:.3f})")
    middle, beside = statistics.median(watched), statistics.median(alone)
    add_result(Figure(table, what, middle, unit, aim, "not watched", beside, ratio))


def main() -> None:
    """Run the pairs on a server of sync workers."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    table = f"A server of {WORKERS} sync workers under `wrk`, watched and not watched in turn, {seconds:g} s each"
    if shutil.which("wrk") is None:
        say_missing(table, "requests a second and p99 of latency", "wrk")
        return
    runs: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "served.py").write_text(APPLICATION)
        with running_gunicorn(
            standard_environment(NEWEST),
            "served:application",
            folder=folder,
            working_directory=folder,
            worker_class="sync",
            workers=WORKERS,
            timeout_s=30,
        ) as gunicorn:
            gunicorn.wait_for_workers(WORKERS)
            address = f"http://127.0.0.1:{gunicorn.port}/"
            serve(address, seconds)  # warm
            for pair in range(pairs):
                for watched in (pair % 2 == 0, pair % 2 == 1):
                    watcher = None
                    if watched:
                        command = [str(BIN / "gtdiag"), "watch", str(gunicorn.pid), "--no-live"]
                        watcher = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                        time.sleep(1.5)  # its start is not its running
                    runs[watched].append(serve(address, seconds))
                    if watcher is not None:
                        watcher.terminate()
                        watcher.wait(30)
    print(f"{pairs} pairs of {seconds:g} s, {WORKERS} sync workers, watched / not watched, 95 % interval in brackets:")
    measures = (("requests a second", "/s", NO_FEWER), ("p99 of latency", "ms", NO_LATER))
    for place, (what, unit, aim) in enumerate(measures):
        add(table, what, unit, aim, *([one[place] for one in runs[watched]] for watched in (True, False)))


if __name__ == "__main__":
    main()
