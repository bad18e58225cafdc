"""Memory that changes, tears, lies or ends while it is read: no crash, no endless loop, no made-up chain."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gtdiag.interpreter import Interpreter, InterpreterGoneError, SuspendedReading, open_interpreter
from gtdiag.interpreter.elf import find_interpreter
from gtdiag.interpreter.memory import ProcessMemory

from .target_process import PROGRAMS, TargetProcess

pytestmark = pytest.mark.live

CHURN_LOOKS = 300
CALLED_BY = {  # in churn.py: each function and those that may stand right outside of it
    "leaf": {"leaf", "held", "one", "gather", None},
    "held": {"__aenter__", "__aexit__"},
    "__aenter__": {"one"},
    "one": {None, "main", "_wait"},
    "sleep": {"leaf", "main"},
    "__sleep0": {"sleep"},
    "_wait": {"wait"},
    "wait": {"main"},
    "main": {None},
    "__aexit__": {"one"},
}


def check_chains(reading: SuspendedReading) -> int:
    for code in reading.suspended:
        outer = None
        for frame in code.frames:
            name = frame.function.rpartition(".")[2]
            if code.running and name not in CALLED_BY:
                break  # plain frames of whatever runs
            # An exception thrown into a chain passes `asend` objects without a frame for who awaits them (genobject.c,
            # _gen_throw): while it does, the thread's own stack lacks `__aenter__`.
            thrown = code.running and (outer, name) == ("one", "held")
            assert thrown or outer in CALLED_BY[name], [f.function for f in code.frames]
            # A running frame may be at an instruction that belongs to no line; a suspended one is at an await.
            assert frame.line is not None or code.running
            outer = name
    return len(reading.suspended)


def test_tasks_that_come_and_go_while_they_are_read(python: str) -> None:
    with TargetProcess(python, PROGRAMS / "churn.py") as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            seen = sum(check_chains(interpreter.read_suspended()) for _ in range(CHURN_LOOKS))
        assert target.process.poll() is None
    assert seen > 0


def test_code_that_runs_flat_out_gives_frames_that_were_there(python: str) -> None:
    with TargetProcess(python, PROGRAMS / "churn.py", "spin") as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            found = 0
            for _ in range(100):
                for code in interpreter.read_suspended().suspended:
                    assert code.running
                    functions = [frame.function for frame in code.frames]
                    assert functions[:2] == ["main", "spin"][: len(functions)]
                    assert set(functions[2:]) <= {"fibonacci"}
                    found += 1
                for thread in interpreter.read_threads():
                    assert thread.frames
    assert found > 50


def test_the_process_ends_while_it_is_read(python: str) -> None:
    with TargetProcess(python, PROGRAMS / "churn.py") as target:
        target.told()
        with open_interpreter(target.pid) as interpreter:
            interpreter.read_suspended()
            threads_before = interpreter.read_threads()
            assert threads_before
            target.process.kill()
            with pytest.raises(InterpreterGoneError):
                for _ in range(100_000):
                    interpreter.read_suspended()
            with pytest.raises(InterpreterGoneError):
                interpreter.read_module_string("sys", "version")


class LyingMemory(ProcessMemory):
    """The memory of a real process in which now and then some bytes are wrong or an address is not there."""

    def __init__(self, pid: int, seed: int, rate: float) -> None:
        super().__init__(pid)
        self.random = random.Random(seed)
        self.rate = rate

    def read_fresh(self, address: int, size: int) -> bytes:
        data = super().read_fresh(address, size)
        if self.random.random() > self.rate or not data:
            return data
        wrong = bytearray(data)
        for _ in range(self.random.randrange(1, 200)):
            at = self.random.randrange(size)
            lies = (b"\0" * 8, b"\xff" * 8, self.random.randbytes(8), data[at // 2 :][:8], data[: at + 1][-8:])
            for place, byte in enumerate(self.random.choice(lies), at):
                if place < size:
                    wrong[place] = byte
        return bytes(wrong)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_wrong_bytes_never_crash_a_look(python: str, rate: float) -> None:
    with TargetProcess(python, PROGRAMS / "await_chains.py", "c") as target:
        told = target.told()
        maps = Path(f"/proc/{target.pid}/maps").read_text(encoding="utf-8")
        runtime = find_interpreter(target.pid, maps).runtime_address
        with open_interpreter(target.pid) as honest:
            version = honest.version
            expected = len(honest.read_suspended().suspended)
            layout = honest.layout
        assert expected == len(told)
        most = 0
        for seed in range(60):
            with Interpreter(LyingMemory(target.pid, seed, rate), layout, runtime, version) as interpreter:
                reading = interpreter.read_suspended(max_seconds=5)
                most = max(most, len(reading.suspended))
                assert all(len(code.frames) <= 4000 for code in reading.suspended)
                interpreter.read_threads()
                interpreter.read_self_of_frame("run", "x.py")
                interpreter.read_module_string("sys", "version")
        assert most <= expected


def test_ten_thousand_tasks_are_all_read(python: str) -> None:
    with TargetProcess(python, PROGRAMS / "many_tasks.py", "10000") as target:
        count = target.told()["tasks"]
        with open_interpreter(target.pid) as interpreter:
            reading = interpreter.read_suspended(max_seconds=60)
            assert len(reading.suspended) == count == 10001
            assert not reading.truncated
            assert [code.name for code in reading.suspended[:3]] == ["Task-1", "Task-2", "Task-3"]
            functions = [frame.function for frame in reading.suspended[5000].frames]
            assert functions == ["outer", "middle", "inner", "sleep"]

            some = interpreter.read_suspended(max_tasks=100)
            assert len(some.suspended) == 100
            assert some.truncated
            assert interpreter.read_suspended(max_seconds=0).truncated
