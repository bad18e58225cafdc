"""What gtdiag, `python -m asyncio pstree` and `py-spy dump` name of the same process, for some ways to wait."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gtdiag.interpreter import open_interpreter
from tests.unit.interpreter.target_process import TargetProcess, interpreters

_TIMEOUT_S = 60
_BEGINNING = """
import asyncio, contextlib, sys, threading, time, os
async def query_database(): await asyncio.sleep(100000)
def blocking_query(): NEVER.acquire()
NEVER = threading.Lock(); NEVER.acquire()
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
def ready(): print("true", flush=True)
"""
_LIFESPAN = """
@contextlib.asynccontextmanager
async def lifespan(app):
    await query_database()
    yield
async def main():
    asyncio.get_running_loop().call_later(0.1, ready)
    async with lifespan(None): pass
"""
_END = "asyncio.run(main())"
_END_UVLOOP = "import uvloop; uvloop.new_event_loop().run_until_complete(main())"


@dataclass(frozen=True)
class Wait:
    """A program, and the function that has to be named for the answer to be of use."""

    title: str
    program: str
    function: str
    uvloop: bool = False


def _main(body: str, before: str = "") -> str:
    return f"{before}\nasync def main():\n    asyncio.get_running_loop().call_later(0.1, ready)\n    {body}\n"


WAITS = (
    Wait("a coroutine awaits", _main("await query_database()"), "query_database"),
    Wait("a lifespan (async generator) awaits", _LIFESPAN, "query_database"),
    Wait("the same on uvloop", _LIFESPAN, "query_database", uvloop=True),
    Wait(
        "`async for` over an async generator",
        _main(
            "async for row in rows(): pass",
            "async def rows():\n    await query_database()\n    yield 1",
        ),
        "query_database",
    ),
    Wait("`gather`", _main("await asyncio.gather(query_database(), asyncio.sleep(0))"), "query_database"),
    Wait("another task, through `shield`", _main("await asyncio.shield(query_database())"), "query_database"),
    Wait(
        "an object with `__await__`",
        _main(
            "await Query()",
            "class Query:\n    def __await__(self): return (yield from query_database().__await__())",
        ),
        "query_database",
    ),
    Wait(
        "`run_in_executor`",
        _main("await asyncio.get_running_loop().run_in_executor(None, blocking_query)"),
        "blocking_query",
    ),
    Wait(
        "a blocking call inside `async def`",
        "async def main():\n    ready(); blocking_query()\n",
        "blocking_query",
    ),
)
NAMED, NOT_NAMED, FAILED = "named", "not named", "failed"
TOOLS = ("gtdiag", "python -m asyncio pstree", "py-spy dump")


def _output(*command: str | Path) -> str:
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{FAILED}: {error}"
    return done.stdout if not done.returncode else f"{FAILED}: {(done.stderr or done.stdout).strip()[:80]}"


def _chain_of_gtdiag(pid: int, function: str) -> bool:
    """In one task's chain, from the application's own `main` on: a thread's stack alone does not count."""
    with open_interpreter(pid) as interpreter:
        for code in interpreter.read_suspended().suspended:
            names = [frame.function.rpartition(".")[2] for frame in code.frames]
            if "main" in names and function in names:
                return True
    return False


def _stacks_of_py_spy(text: str, function: str) -> str:
    # The first lines repeat the command line, with the whole program in it.
    stacks = [stack for stack in text.split("\nThread ")[1:] if function in stack]
    if any("main (" in stack for stack in stacks):
        return NAMED
    return "in its thread, without the task" if stacks else NOT_NAMED


def compare(chroot: Path, version: str) -> list[tuple[str, dict[str, str]]]:
    """By way to wait: what each tool makes of the same process, an interpreter in its chroot, as its package has it."""
    python = ["chroot", str(chroot), f"/usr/bin/python{version}"]
    pstree = interpreters()[version]
    py_spy = Path(sys.executable).parent / "py-spy"
    rows = []
    for wait in WAITS:
        program = _BEGINNING + wait.program + (_END_UVLOOP if wait.uvloop else _END)
        with TargetProcess(*python, "-c", program) as target:
            target.told()
            tree = _output(pstree, "-m", "asyncio", "pstree", str(target.pid))
            dump = _output(py_spy, "dump", "--pid", str(target.pid))
            cells = (
                NAMED if _chain_of_gtdiag(target.pid, wait.function) else NOT_NAMED,
                tree if tree.startswith(FAILED) else NAMED if wait.function in tree else NOT_NAMED,
                dump if dump.startswith(FAILED) else _stacks_of_py_spy(dump, wait.function),
            )
        rows.append((f"{wait.title}: `{wait.function}`", dict(zip(TOOLS, cells, strict=True))))
    return rows
