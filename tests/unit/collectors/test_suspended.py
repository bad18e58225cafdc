"""Suspended code: interpreters are opened once for each worker, and every failure is a value."""

from __future__ import annotations

import os
from dataclasses import dataclass

from gtdiag.collectors.suspended import SuspendedReader
from gtdiag.errors import AccessError, GtdiagError
from gtdiag.gunicorn.proc_files import read_stat
from gtdiag.model.identity import WorkerId
from gtdiag.model.stacks import SuspendedCode

TASK = SuspendedCode(kind="task", name="Task-1", frames=())


@dataclass
class Reading:
    suspended: tuple[SuspendedCode, ...] = (TASK,)
    truncated: bool = False
    problems: tuple[str, ...] = ("1 of 2 tasks changed while they were read",)


class Interpreter:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.closed = False

    def read_suspended(self) -> Reading:
        if self.error is not None:
            raise self.error
        return Reading()

    def close(self) -> None:
        self.closed = True


def this_process() -> WorkerId:
    return WorkerId(os.getpid(), started_at_s=read_stat(os.getpid()).started_at_s)


def test_an_interpreter_is_opened_once() -> None:
    opened: list[Interpreter] = []

    def open_one(pid: int) -> Interpreter:
        opened.append(Interpreter())
        return opened[-1]

    reader = SuspendedReader(open_one)
    worker = this_process()
    assert reader.read(worker).suspended == (TASK,)
    again = reader.read(worker)
    assert again.suspended == (TASK,)
    assert again.problems == ("1 of 2 tasks changed while they were read",)
    assert len(opened) == 1
    reader.forget(worker)
    assert opened[0].closed
    reader.read(worker)
    assert len(opened) == 2
    reader.close()
    assert opened[1].closed


def test_a_refusal_is_a_value_with_its_command() -> None:
    def refuse(pid: int) -> Interpreter:
        raise AccessError("may not be read", hint="sudo gtdiag watch 1")

    look = SuspendedReader(refuse).read(this_process())
    assert look.suspended is None
    assert (look.why, look.hint, look.gone) == ("may not be read", "sudo gtdiag watch 1", False)


def test_a_process_that_has_ended_is_no_gap() -> None:
    def gone(pid: int) -> Interpreter:
        raise GtdiagError("gone")

    assert SuspendedReader(gone).read(WorkerId(os.getpid(), started_at_s=-1.0)).gone


def test_a_failed_look_opens_anew() -> None:
    broken = Interpreter(OSError("input/output error"))
    interpreters = [broken, Interpreter()]
    reader = SuspendedReader(lambda pid: interpreters.pop(0))
    worker = this_process()
    assert "input/output error" in reader.read(worker).why
    assert broken.closed
    assert reader.read(worker).suspended == (TASK,)
