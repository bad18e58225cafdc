"""Runs every CPython of this machine through everything, and writes what came out to docs/interpreters.md.

    python -m tests.interpreters.report [--cases N] [--no-write]      # `make interpreters`; about five minutes

Exit status 1 when anything that was read differs from what a program says of itself.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from gtdiag.interpreter import UnsupportedInterpreterError, open_interpreter
from gtdiag.interpreter.layout import known_versions
from tests.interpreters import side_by_side
from tests.interpreters.agreement import Agreement, compare
from tests.unit.interpreter.target_process import INTERPRETERS, PROGRAMS, TargetProcess, interpreters, packages_of

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "interpreters.md"
BEGIN, END = "<!-- begin: make interpreters -->", "<!-- end: make interpreters -->"
LOOPS = {"c": "asyncio", "python": "asyncio in Python", "uvloop": "uvloop"}
GREENLETS = ("gevent", "eventlet")
SEEDS = 2
TASKS = (10, 10_000)
LOOKS = {10: 100, 10_000: 7}
WINDOWS = 20


@dataclass
class Row:
    """One CPython: its exact version, a cell for each column, its agreement and its times."""

    version: str
    cells: dict[str, str]
    agreement: Agreement
    times: str


def exact_version(python: str) -> str:
    return subprocess.run(
        [python, "-c", "import platform; print(platform.python_version())"], capture_output=True, text=True, check=True
    ).stdout.strip()


def fixed_program(python: str, loop: str, packages: Path | None) -> str:
    """Every way a task can wait, once: how many tasks' chains are whole and equal to the program's own account."""
    with TargetProcess(python, PROGRAMS / "await_chains.py", loop, packages=packages) as target:
        told = target.told()
        with open_interpreter(target.pid) as interpreter:
            seen = {code.name: code for code in interpreter.read_suspended().suspended}
    right = sum(
        name in seen and [[f.function, f.file, f.line] for f in seen[name].frames] == truth["frames"]
        for name, truth in told.items()
    )
    return f"complete ({right} tasks)" if right == len(told) == len(seen) else f"WRONG: {right} of {len(told)}"


def greenlets(python: str, flavour: str, packages: Path | None) -> str:
    if packages is None or not (packages / flavour).is_dir():
        return "not installed"
    with TargetProcess(python, PROGRAMS / "greenlets.py", flavour, packages=packages) as target:
        try:
            told = target.told()
        except AssertionError:
            return "does not run"
        right = False
        with open_interpreter(target.pid) as interpreter:
            for _ in range(5):  # one greenlet of the program wakes up now and then
                reading = interpreter.read_suspended()
                stacks = sorted(
                    [[f.function, f.file, f.line] for f in code.frames]
                    for code in reading.suspended
                    if code.kind == "greenlet"
                )
                right = right or stacks == told["stacks"]
    return f"complete ({len(told['stacks'])} greenlets)" if right else f"WRONG: {reading.problems or 'other stacks'}"


def times(python: str) -> str:
    """Medians of a look, and the first opening with a process of this program that has opened none."""
    cells = []
    for tasks in TASKS:
        with TargetProcess(python, PROGRAMS / "many_tasks.py", str(tasks - 1)) as target:
            target.told()
            took = []
            with open_interpreter(target.pid) as interpreter:
                for _ in range(LOOKS[tasks]):
                    begin = time.perf_counter()
                    reading = interpreter.read_suspended(max_seconds=60)
                    took.append((time.perf_counter() - begin) * 1000)
                    assert len(reading.suspended) == tasks, (len(reading.suspended), reading.problems)
            cells.append(f"{statistics.median(took):.1f}")
            code = (
                "import sys, time; from gtdiag.interpreter import open_interpreter; b = time.perf_counter(); "
                "open_interpreter(int(sys.argv[1])); print((time.perf_counter() - b) * 1000)"
            )
            if tasks == TASKS[0]:
                opened = [
                    float(
                        subprocess.run(
                            [sys.executable, "-c", code, str(target.pid)], capture_output=True, text=True, check=True
                        ).stdout
                    )
                    for _ in range(3)
                ]
    return f"{cells[0]} | {cells[1]} | {statistics.median(opened):.1f}"


BUSY = """
import asyncio, sys, threading, time, os
COUNT = 0
async def waits(): await asyncio.sleep(100000)
async def request():
    global COUNT
    await asyncio.sleep(0)
    sum(range(200))
    COUNT += 1
async def main():
    tasks = [asyncio.ensure_future(waits()) for _ in range(200)]
    await asyncio.sleep(0)
    print("true", flush=True)
    while True:
        await asyncio.gather(*(request() for _ in range(20)))
def answer():
    for line in sys.stdin:
        print(COUNT, flush=True)
    os._exit(0)
threading.Thread(target=answer, daemon=True).start()
asyncio.run(main())
"""


def throughput_loss(python: str) -> str:
    """Requests a second of a busy worker with 200 waiting tasks: windows with a look in each, and without, in turn."""
    rates: dict[bool, list[float]] = {True: [], False: []}
    with TargetProcess(python, "-c", BUSY) as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            for window in range(2 * WINDOWS):
                looking = bool(window % 2)
                target.say()
                count, begin = target.told(), time.perf_counter()
                if looking:
                    interpreter.read_suspended()
                time.sleep(max(0.0, begin + 1 - time.perf_counter()))
                target.say()
                rates[looking].append((target.told() - count) / (time.perf_counter() - begin))
    lost = [100 * (1 - looked / alone) for alone, looked in zip(rates[False], rates[True], strict=True)]
    spread = 100 * statistics.pstdev(rates[False]) / statistics.mean(rates[False])
    return (
        f"{statistics.median(lost):.1f} % of its requests at one look a second, the median of {WINDOWS} pairs of "
        f"seconds with and without a look (of {statistics.median(rates[False]):,.0f} requests; seconds without a look "
        f"differ by {spread:.1f} % among themselves)"
    )


def refused() -> list[tuple[str, str]]:
    """What is recognised and not read: the interpreters of other kinds that are here, and the words of the refusal."""
    found = []
    for name in ("pypy3", "python-32-bit", "python-free-threaded"):
        python = INTERPRETERS / "bin" / name
        if not python.exists():
            found.append((name, "not on this machine"))
            continue
        with TargetProcess(str(python), PROGRAMS / "many_tasks.py", "1") as target:
            target.told()
            try:
                open_interpreter(target.pid).close()
                found.append((name, "WRONG: it was opened"))
            except UnsupportedInterpreterError as error:
                found.append((name, f"“{error.why}”"))
    return found


def one_version(version: str, python: str, cases: int) -> Row:
    packages = packages_of(version)
    cells = {}
    agreement = Agreement()
    for loop in LOOPS:
        if loop == "uvloop" and (packages is None or not (packages / "uvloop").is_dir()):
            cells[loop] = "not installed"
            continue
        cells[loop] = fixed_program(python, loop, packages)
        for seed in range(1, SEEDS + 1):
            agreement.add(compare(python, loop, seed, cases, packages))
    for flavour in GREENLETS:
        cells[flavour] = greenlets(python, flavour, packages)
    return Row(exact_version(python), cells, agreement, times(python))


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=40, help="random trees a process (default: 40)")
    parser.add_argument("--no-write", action="store_true", help="print only")
    options = parser.parse_args()
    rows = []
    for version in known_versions():
        python = interpreters().get(version)
        if python is None:
            print(f"no CPython {version} on this machine", file=sys.stderr)
            continue
        rows.append(one_version(version, python, options.cases))
        row = rows[-1]
        print(row.version, *row.cells.values(), f"{row.agreement.cases} cases", row.times, sep=" | ", flush=True)
    parts = [
        f"Run on {platform.system()} {platform.machine()}, gtdiag under Python {platform.python_version()}.",
        "### Chains against the program's own account",
        table(
            ["CPython", *LOOPS.values(), *GREENLETS],
            [[row.version, *row.cells.values()] for row in rows],
        ),
        "### Random programs",
        table(
            ["CPython", "cases", "tasks", "frames", "disagreements"],
            [
                [
                    row.version,
                    *(f"{n:,}" for n in (row.agreement.cases, row.agreement.tasks, row.agreement.frames)),
                    str(len(row.agreement.disagreements)),
                ]
                for row in rows
            ],
        ),
        f"{sum(row.agreement.cases for row in rows):,} cases in all.",
        "### Recognised and refused",
        table(["interpreter", "what is said"], [list(pair) for pair in refused()]),
    ]
    chroot = INTERPRETERS / "debian"
    if "3.14" in interpreters() and chroot.is_dir() and os.geteuid() == 0:
        said = side_by_side.compare(chroot, "3.14")
        version = exact_version(interpreters()["3.14"])
        parts += [
            "### Side by side",
            (
                f"What three tools name of the same processes of CPython {version}. For a call in a thread the task "
                "that waits for it counts as well."
            ),
            table(
                ["what waits: the function to be named", *(f"`{tool}`" for tool in side_by_side.TOOLS)],
                [[title, *(cells[tool] for tool in side_by_side.TOOLS)] for title, cells in said],
            ),
        ]
    parts += [
        "### Time",
        "Milliseconds, medians: a look at 10 and at 10,000 tasks, and the first opening in a fresh process.",
        table(
            ["CPython", "10 tasks", "10,000 tasks", "first opening"], [[r.version, *r.times.split(" | ")] for r in rows]
        ),
        f"What a busy worker loses: {throughput_loss(interpreters()['3.13'])}." if "3.13" in interpreters() else "",
    ]
    text = "\n\n".join(part for part in parts if part)
    print(text)
    wrong = [problem for row in rows for problem in row.agreement.disagreements]
    for problem in wrong[:10]:
        print(problem, file=sys.stderr)
    if not options.no_write:
        document = DOCUMENT.read_text(encoding="utf-8")
        before, _, rest = document.partition(BEGIN)
        DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 1 if wrong or "WRONG" in text else 0


if __name__ == "__main__":
    sys.exit(main())
