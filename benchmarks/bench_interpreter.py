"""Milliseconds to open a worker's interpreter and to read its suspended tasks, for 10 and 10,000 tasks.

    python benchmarks/bench_interpreter.py [PYTHON...]

PYTHON: interpreters to read; without any, the one that runs this. "first opening" has the import of the ELF reader and
the parsing of the interpreter's file in it; both are paid once for all workers of a server.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.growth.look_axes import MANY_TASKS
from benchmarks.results import Aim, Figure, add_result
from gtdiag.interpreter import open_interpreter

TABLE = "One look into a worker's interpreter"
LOOKS = {10: 200, 10_000: 10}
AIMS_MS = {10: 5, 10_000: 150}
OPENING_AIM_MS = 20


def measure(python: str, tasks: int, looks: int) -> None:
    with subprocess.Popen([python, "-c", MANY_TASKS, str(tasks)], stdout=subprocess.PIPE) as target:
        assert target.stdout is not None
        target.stdout.readline()
        try:
            begin = time.perf_counter()
            interpreter = open_interpreter(target.pid)
            opened_ms = (time.perf_counter() - begin) * 1000
            begin = time.perf_counter()
            open_interpreter(target.pid).close()
            again_ms = (time.perf_counter() - begin) * 1000
            took_ms = []
            for _ in range(looks):
                begin = time.perf_counter()
                reading = interpreter.read_suspended(max_seconds=120)
                took_ms.append((time.perf_counter() - begin) * 1000)
                assert len(reading.suspended) == tasks, (len(reading.suspended), reading.problems)
            version = interpreter.version
            interpreter.close()
        finally:
            target.kill()
    middle, best, worst = statistics.median(took_ms), min(took_ms), max(took_ms)
    print(
        f"CPython {version} {tasks:>6} tasks: {middle:8.2f} ms a look (best {best:.2f}, worst {worst:.2f}); "
        f"first opening {opened_ms:.1f} ms, later {again_ms:.1f} ms"
    )
    name = f"CPython {version}"
    aim = Aim(at_most=AIMS_MS[tasks])
    add_result(Figure(TABLE, f"{name}: await chains of {tasks:,} tasks, median of {looks}", middle, "ms", aim))
    if tasks == min(LOOKS):
        add_result(Figure(TABLE, f"{name}: first opening of an interpreter", opened_ms, "ms", Aim(OPENING_AIM_MS)))
        add_result(Figure(TABLE, f"{name}: opening another one of the same file", again_ms, "ms"))


def main() -> None:
    for python in sys.argv[1:] or [sys.executable]:
        for tasks, looks in LOOKS.items():
            measure(python, tasks, looks)


if __name__ == "__main__":
    main()
