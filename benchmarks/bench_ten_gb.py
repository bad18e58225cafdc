"""Ten times the log: 10 GB in turn with 1 GB, the time and the memory.

Usage: python benchmarks/bench_ten_gb.py [GIGABYTES] [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.beside import add_peak, time_beside
from benchmarks.large_logs import in_own_process, write_mixed_log
from benchmarks.measured_command import GTDIAG
from benchmarks.results import Aim

TIMES = 10
MOST_MB = 150
INCIDENTS_A_GB = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gigabytes", type=float, nargs="?", default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    small_gb = arguments.gigabytes / TIMES
    table = f"`analyze` of {arguments.gigabytes:g} GB"
    with tempfile.TemporaryDirectory(prefix="gtdiag-bench-") as folder:
        logs = Path(folder) / "large.log", Path(folder) / "small.log"
        for log, gigabytes in zip(logs, (arguments.gigabytes, small_gb), strict=True):
            in_own_process(write_mixed_log, log, int(gigabytes * 1e9), int(gigabytes * INCIDENTS_A_GB))
        large, small = ([GTDIAG, "analyze", "--exit-zero", str(log)] for log in logs)
        what = f"{arguments.gigabytes:g} GB, {arguments.gigabytes * INCIDENTS_A_GB:,.0f} time-outs"
        aim = Aim(at_most=TIMES, of="ratio")
        costs = time_beside(table, what, large, small, arguments.rounds, aim=aim, called=f"{small_gb:g} GB")
        add_peak(table, what, costs, MOST_MB)
        speed = arguments.gigabytes * 1000 / statistics.median(cost.took_s for cost in costs)
        print(f"{speed:.0f} MB/s", flush=True)


if __name__ == "__main__":
    main()
