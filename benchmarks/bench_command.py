"""What a whole `gtdiag watch` costs beside `py-spy record` on the same server: CPU, memory, and a snapshot's time.

    python benchmarks/bench_command.py [SECONDS] [WORKERS] [--pairs N]

Each command runs as its user would start it, in a process of its own; its CPU and memory are what the kernel says of it
and of its children when it ends (getrusage(2)).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.in_turn import measure_in_turn, ratio_of, say_ratio
from benchmarks.measured_command import GTDIAG, PY_SPY, Cost, run
from benchmarks.results import Aim, Fact, Figure, Ratio, add_result
from benchmarks.stuck_server import running_uvicorn
from tests.live.gunicorn_process import GunicornProcess

HEALTHY_AIM = Aim(at_most=0.5)
HEALTHY_MEMORY_AIM = Aim(at_most=60)
STUCK_AIM = Aim(at_most=20)
SNAPSHOT_AIM = Aim(at_most=1)
FASTER = Aim(at_most=1, of="ratio")
START_S, END_S = 5.0, 1.0
"""What runs on is measured from so long after the start, until so long before the end."""
UP_FOR_S = 35.0
"""Healthy workers that started in the last half minute are sampled more closely than is measured here."""
SNAPSHOTS = 7


def watch(pid: int, seconds: float, *options: str) -> Cost:
    """`gtdiag watch`, as a CI job would start it."""
    window_s = (min(START_S, seconds / 2), seconds - END_S)
    command = [GTDIAG, "watch", str(pid), "--for", f"{seconds:g}s", "--no-live", *options]
    return run(command, window_s=window_s, allowed=(0, 1))


def share(cost: Cost) -> float:
    """Per cent of a core, start and end included."""
    return 100 * cost.cpu_s / cost.took_s


def measure_healthy(gunicorn: GunicornProcess, workers: int, seconds: float, folder: Path, pairs: int) -> None:
    """A server that has nothing, beside py-spy's sampling of the same processes."""
    table = f"`watch` of {workers} healthy workers, {seconds:g} s"
    record = [PY_SPY, "record", "--subprocesses", "--rate", "10", "--duration", f"{seconds:g}", "--format", "raw"]
    record += ["--output", str(folder / "raw.txt"), "--pid", str(gunicorn.pid)]
    ours: list[Cost] = []
    others: list[Cost] = []

    def watch_once() -> float:
        ours.append(watch(gunicorn.pid, seconds))
        return share(ours[-1])

    def record_once() -> float:
        others.append(run(record))
        return share(others[-1])

    shares, recorded = measure_in_turn(watch_once, record_once, pairs)
    rival = "`py-spy record --subprocesses --rate 10`"
    add(table, "CPU, start included", shares, "% of a core", None, rival, recorded)
    add(table, "CPU, after the start", _windows(ours), "% of a core", HEALTHY_AIM)
    memory, other_memory = ([cost.peak_mb for cost in costs] for costs in (ours, others))
    add(table, "peak memory", memory, "MB", HEALTHY_MEMORY_AIM, rival, other_memory)


def measure_stuck(gunicorn: GunicornProcess, pids: Sequence[int], seconds: float) -> None:
    """Every worker stuck at once: a snapshot, py-spy on each of them, and the watch."""
    table = f"{len(pids)} workers stuck in their start-up"
    outputs: list[str] = []

    def snapshot() -> float:
        cost = run([GTDIAG, "snapshot", str(gunicorn.pid)], allowed=(0, 1))
        outputs.append(cost.output)
        return cost.took_s

    def dump_each() -> float:
        return sum(run([PY_SPY, "dump", "--pid", str(pid)]).took_s for pid in pids)

    took_s, dumped_s = measure_in_turn(snapshot, dump_each, SNAPSHOTS)
    rival = "`py-spy dump` of each, one after the other"
    add(table, "`snapshot`", took_s, "s", SNAPSHOT_AIM)
    add(table, "`snapshot`, beside a dump that names no call", took_s, "s", FASTER, rival, dumped_s)
    named = min(output.count("connect_to_database") for output in outputs)
    print(f"every one named: {named} times", flush=True)
    add_result(Fact(table, "`snapshot` names the call of every worker", named >= len(pids)))
    cost = watch(gunicorn.pid, seconds)
    what = f"`watch` for {seconds:g} s"
    add(table, f"{what}, CPU, start and py-spy included", [share(cost)], "% of a core", STUCK_AIM)
    add(table, f"{what}, CPU, after the start, py-spy included", _windows([cost]), "% of a core")
    add(table, f"{what}, peak memory", [cost.peak_mb], "MB")


def _windows(costs: Sequence[Cost]) -> list[float]:
    return [cost.share for cost in costs if cost.share is not None]


def add(
    table: str,
    what: str,
    values: Sequence[float],
    unit: str,
    aim: Aim | None = None,
    beside: str = "",
    others: Sequence[float] = (),
) -> None:
    """Print and record the median, with the other program's and the ratio where there is one."""
    middle = statistics.median(values)
    other = statistics.median(others) if others else None
    ratio: Ratio | None = ratio_of(values, others) if others else None
    line = f"{table}: {what}: {middle:.2f} {unit}"
    if ratio is not None:
        line += f"; {beside} {other:.2f} {unit}, {say_ratio(ratio)}"
    print(line, flush=True)
    add_result(Figure(table, what, middle, unit, aim, beside, other, ratio))


def main() -> None:
    """Measure a healthy server, then one that hangs in its start-up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float, nargs="?", default=30.0)
    parser.add_argument("workers", type=int, nargs="?", default=32)
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    for hang in (False, True):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with running_uvicorn(folder, arguments.workers, hang=hang) as gunicorn:
                if hang:
                    measure_stuck(gunicorn, gunicorn.worker_pids(), arguments.seconds)
                else:
                    time.sleep(UP_FOR_S)
                    measure_healthy(gunicorn, arguments.workers, arguments.seconds, folder, arguments.pairs)


if __name__ == "__main__":
    main()
