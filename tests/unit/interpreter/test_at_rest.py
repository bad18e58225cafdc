"""A process at rest, read once: its stacks are py-spy's, and one that runs meanwhile is not taken to be at rest."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gtdiag.collectors.stacks import StackReader
from gtdiag.interpreter import open_interpreter
from gtdiag.interpreter import reader as reader_module
from gtdiag.interpreter.stillness import Mark, mark_rest

from .target_process import PROGRAMS, TargetProcess

pytestmark = pytest.mark.live

THREADS = """
import sys, threading
def wait_for(event):
    event.wait()
def begin():
    for number in range(3):
        threading.Thread(target=wait_for, args=(threading.Event(),), name=f"pool-{number}", daemon=True).start()
    print("true", flush=True)
    sys.stdin.read()
begin()
"""

RESTLESS = """
import sys, time, threading
def turn():
    while True:
        time.sleep(0.0002)
threading.Thread(target=turn, daemon=True).start()
print("true", flush=True)
sys.stdin.read()
"""


def test_the_stacks_and_names_are_those_that_py_spy_sees(python: str) -> None:
    with TargetProcess(python, "-c", THREADS) as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            reading = interpreter.read_at_rest()
            version = interpreter.version
        seen_by_py_spy = StackReader.found().read(target.pid)
    assert reading is not None
    if version < (3, 11):
        assert reading.threads is None, "which of several threads is which is not known up to 3.10"
        return
    assert reading.threads is not None
    assert {thread.name for thread in reading.threads} == {"MainThread", "pool-0", "pool-1", "pool-2"}
    assert [
        (t.thread_id, t.native_thread_id, t.name, t.main, t.active, [(f.function, f.file, f.line) for f in t.frames])
        for t in reading.threads
    ] == [
        (t.thread_id, t.native_thread_id, t.name, t.main, t.active, [(f.function, f.file, f.line) for f in t.frames])
        for t in seen_by_py_spy
    ]


def test_the_only_thread_is_the_main_one_in_every_version(python: str) -> None:
    program = "import sys, threading\ndef ready():\n print('true', flush=True)\n sys.stdin.read()\nready()"
    with TargetProcess(python, "-c", program) as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            reading = interpreter.read_at_rest()
    assert reading is not None and reading.threads is not None
    [thread] = reading.threads
    assert (thread.main, thread.native_thread_id, thread.name) == (True, target.pid, "MainThread")
    assert [frame.function for frame in thread.frames] == ["<module>", "ready"]


def test_suspended_code_is_the_same_as_when_it_is_read_with_care(python: str) -> None:
    with TargetProcess(python, PROGRAMS / "thread_pool.py") as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            reading = interpreter.read_at_rest()
            assert reading is not None
            assert reading.suspended == interpreter.read_suspended()
            again = interpreter.read_at_rest()
            assert again is not None and again.suspended == reading.suspended


def test_a_process_that_never_rests_is_left_to_careful_reading(python: str) -> None:
    with TargetProcess(python, "-c", RESTLESS) as target:
        assert target.process.stdout is not None
        assert target.process.stdout.readline()
        with open_interpreter(target.pid) as interpreter:
            seen = [interpreter.read_at_rest() for _ in range(20)]
            # In the time of a look it sleeps and wakes again: nearly none can be one picture.
            assert seen.count(None) >= 15
            assert interpreter.read_threads()


def test_what_was_read_while_a_thread_ran_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    marks: list[Mark | None] = [(("1", b"5 5 1"),), (("1", b"9 5 2"),), (("1", b"9 5 2"),), (("1", b"9 9 3"),)]
    monkeypatch.setattr(reader_module, "mark_rest", lambda pid: marks.pop(0))
    with TargetProcess(sys.executable, "-c", THREADS) as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            assert interpreter.read_at_rest() is None
    assert not marks, "it is tried once more"


def test_a_running_process_has_no_mark_and_a_sleeping_one_the_same_again() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    asleep = subprocess.Popen(["sleep", "60"])
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        assert mark_rest(busy.pid) is None
        deadline_s = time.monotonic() + 10
        while (mark := mark_rest(asleep.pid)) is None and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert mark is not None
        time.sleep(0.05)
        assert mark_rest(asleep.pid) == mark
    finally:
        for process in (busy, asleep):
            process.kill()
            process.communicate()
    assert mark_rest(2**22 + 1) is None


@pytest.mark.parametrize("schedstat", [b"0 0 0\n", b"", b"5 5\n"])
def test_a_kernel_that_does_not_count_gives_no_mark(schedstat: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    from gtdiag.interpreter import stillness

    state = b"1 (sleep) S 0"
    monkeypatch.setattr(stillness, "_read", lambda path: schedstat if path.endswith("schedstat") else state)
    assert mark_rest(os.getpid()) is None


def test_code_that_differs_at_the_same_address_is_not_taken_for_what_was_there(tmp_path: Path) -> None:
    """Two forks of one process load a module of the same shape, with another name in it, after the fork."""
    program = """
import os, sys
name = "first"
if os.fork() == 0:
    name = "other"
    os.setpgid(0, 0)
source = f"def {name}():\\n sys.stdin.read() if '{name}' == 'first' else os.read(wait, 1)\\n"
wait, _ = os.pipe()
exec(compile(source, "made.py", "exec"))
if name == "first":
    print("true", flush=True)
globals()[name]()
"""
    with TargetProcess(sys.executable, "-c", program) as target:
        target.told()
        children = Path(f"/proc/{target.pid}/task/{target.pid}/children").read_text().split()
        pids = [target.pid, int(children[0])]
        innermost = []
        try:
            for pid in pids:
                with open_interpreter(pid) as interpreter:
                    reading = interpreter.read_at_rest()
                    assert reading is not None and reading.threads is not None
                    innermost.append(reading.threads[0].frames[-1].function)
        finally:
            os.kill(pids[1], 9)
    assert innermost == ["first", "other"]
