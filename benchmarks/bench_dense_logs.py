"""The densest logs, of nothing but time-outs with their tracebacks; lnav and goaccess on the same files.

    python benchmarks/bench_dense_logs.py [--megabytes N] [--large-megabytes N] [--rounds N]

lnav counts the WORKER TIMEOUT lines. goaccess reads access logs: of the dense log it can make nothing, of the mixed
one, which is measured as well, everything; lnav and gtdiag look for the time-outs in both.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.beside import add_peak, time_alone, time_beside
from benchmarks.large_logs import in_own_process, write_dense_log, write_mixed_log
from benchmarks.measured_command import GTDIAG
from benchmarks.results import Aim, Figure, add_result

FRAMES = 6
INCIDENTS_AMONG_OTHERS = 30
MOST_MB = 150
SPEED_AIM = Aim(at_least=100)
COUNT_TIME_OUTS = ';SELECT count(*) FROM all_logs WHERE log_body LIKE "%WORKER TIMEOUT%"'
LNAV = ("lnav", "-n", "-q", "-c", COUNT_TIME_OUTS, "-c", ":write-csv-to -")
GOACCESS = ("goaccess", "--log-format=COMBINED", "--no-global-config", "--num-tests=0", "--no-progress")


def beside_others(table: str, what: str, log: Path, rounds: int) -> None:
    ours = [GTDIAG, "analyze", "--exit-zero", str(log)]
    # Both keep files in the home folder, and lnav reads what it finds there.
    home = {"HOME": str(log.parent)}
    costs = time_beside(table, what, ours, [*LNAV, str(log)], rounds, variables=home)
    time_beside(table, what, ours, [*GOACCESS, "--process-and-exit", str(log)], rounds, variables=home)
    add_peak(table, what, costs, MOST_MB)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--large-megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    table = "`analyze` of dense logs: nothing but time-outs"
    with tempfile.TemporaryDirectory(prefix="gtdiag-bench-") as folder:
        log = Path(folder) / "dense.log"
        in_own_process(write_dense_log, log, arguments.megabytes * 1_000_000, FRAMES)
        beside_others(table, f"{arguments.megabytes} MB, tracebacks of {FRAMES} functions", log, arguments.rounds)
        in_own_process(write_dense_log, log, arguments.large_megabytes * 1_000_000, FRAMES)
        what = f"{arguments.large_megabytes:,} MB of it"
        costs = time_alone(table, what, [GTDIAG, "analyze", "--exit-zero", str(log)], 1)
        speed = arguments.large_megabytes / costs[0].cpu_s
        print(f"{what}: {speed:.0f} MB for each second of CPU", flush=True)
        add_result(Figure(table, f"{what}, for each second of CPU", speed, "MB/s", SPEED_AIM))
        add_peak(table, what, costs, MOST_MB)
        in_own_process(write_mixed_log, log, arguments.megabytes * 1_000_000, INCIDENTS_AMONG_OTHERS)
        mixed = f"{arguments.megabytes} MB of access and error log with {INCIDENTS_AMONG_OTHERS} time-outs"
        beside_others("`analyze` beside readers of logs", mixed, log, arguments.rounds)


if __name__ == "__main__":
    main()
