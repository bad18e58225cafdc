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

from gtdiag.interpreter import open_interpreter

PROGRAM = """
import asyncio, sys
async def inner(): await asyncio.sleep(100000)
async def middle(): await inner()
async def outer(): await middle()
async def main():
    tasks = [asyncio.ensure_future(outer()) for _ in range(int(sys.argv[1]) - 1)]
    await asyncio.sleep(0)
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
LOOKS = {10: 200, 10_000: 10}


def measure(python: str, tasks: int, looks: int) -> None:
    with subprocess.Popen([python, "-c", PROGRAM, str(tasks)], stdout=subprocess.PIPE) as target:
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


def main() -> None:
    for python in sys.argv[1:] or [sys.executable]:
        for tasks, looks in LOOKS.items():
            measure(python, tasks, looks)


if __name__ == "__main__":
    main()
