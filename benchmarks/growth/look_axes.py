"""One look at a worker: by its asyncio tasks, and by the depth of its stack or of one await chain."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks.growth.measuring import add_points
from gtdiag.collectors.stacks import StackReader
from gtdiag.interpreter import open_interpreter

TASKS = (10, 100, 1_000, 10_000)
QUICK_TASKS = (10, 100, 1_000)
DEPTHS = (5, 50, 500, 900)
"""CPython's recursion limit is 1,000."""
QUICK_DEPTHS = (5, 50)
LOOKS_TAKE_S = 1.5
"""Looks are repeated for about so long, and at least as often as this:"""
FEWEST_LOOKS = 5

MANY_TASKS = """
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
DEEP_CHAIN = """
import asyncio, sys
async def step(depth):
    if depth:
        await step(depth - 1)
    else:
        await asyncio.Event().wait()
async def main():
    task = asyncio.ensure_future(step(int(sys.argv[1]) - 1))
    await asyncio.sleep(0)
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
DEEP_STACK = """
import sys, time
def step(depth):
    if depth:
        step(depth - 1)
    else:
        print("ready", flush=True)
        time.sleep(100000)
step(int(sys.argv[1]) - 1)
"""


def measure_tasks(*, quick: bool) -> None:
    """More and more tasks, each three frames deep."""
    for tasks in QUICK_TASKS if quick else TASKS:
        with _running(MANY_TASKS, tasks) as pid, open_interpreter(pid) as interpreter:
            assert len(interpreter.read_suspended(max_seconds=120).suspended) == tasks
            add_points(
                "tasks", tasks, {"await chains": _median_ms(lambda: interpreter.read_suspended(max_seconds=120))}
            )


def measure_depth(*, quick: bool) -> None:
    """One task, or one thread, whose call goes deeper and deeper."""
    for depth in QUICK_DEPTHS if quick else DEPTHS:
        values = {}
        with _running(DEEP_CHAIN, depth) as pid, open_interpreter(pid) as interpreter:
            frames = max(len(one.frames) for one in interpreter.read_suspended().suspended)
            assert frames >= depth, f"{frames} frames of {depth} were read"
            values["await chain of one task"] = _median_ms(interpreter.read_suspended)
        with _running(DEEP_STACK, depth) as pid, open_interpreter(pid) as interpreter:
            frames = max(len(thread.frames) for thread in interpreter.read_threads())
            assert frames >= depth, f"{frames} frames of {depth} were read"
            values["stack of a thread, from its memory"] = _median_ms(interpreter.read_threads)
            reader = StackReader.found()
            assert max(len(thread.frames) for thread in reader.read(pid)) >= depth
            values["stack of a thread, by py-spy"] = _median_ms(lambda: reader.read(pid))  # noqa: B023
        add_points("depth", depth, values)


@contextlib.contextmanager
def _running(program: str, size: int) -> Iterator[int]:
    command = [sys.executable, "-c", program, str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as target:
        assert target.stdout is not None
        try:
            assert target.stdout.readline() == b"ready\n"
            time.sleep(0.1)  # it has said so, and goes to sleep only then
            yield target.pid
        finally:
            target.kill()


def _median_ms(look: Callable[[], object]) -> float:
    took_ms: list[float] = []
    while len(took_ms) < FEWEST_LOOKS or sum(took_ms) < 1000 * LOOKS_TAKE_S:
        began_s = time.perf_counter()
        look()
        took_ms.append((time.perf_counter() - began_s) * 1000)
    return statistics.median(took_ms)
