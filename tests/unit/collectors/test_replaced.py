"""A pid that another process has by now: nothing that is read there is said of the worker that had it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import pytest

from gtdiag.collectors.clock import SystemClock
from gtdiag.collectors.looks import Looker, sample_process
from gtdiag.collectors.processes import ProcessSampler, is_replaced
from gtdiag.collectors.stacks import StackReader, StackReadError
from gtdiag.collectors.suspended import SuspendedReader
from gtdiag.gunicorn.proc_files import read_stat
from gtdiag.model.identity import WorkerId
from gtdiag.model.stacks import ThreadStack

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


class Stacks(StackReader):
    """A py-spy that answers for whatever has the pid."""

    def read(self, pid: int, master_pid: int | None = None) -> tuple[ThreadStack, ...]:
        return (ThreadStack(thread_id=1, name="MainThread", frames=(), main=True),)


@pytest.fixture
def present() -> WorkerId:
    return WorkerId(os.getpid(), started_at_s=read_stat(os.getpid()).started_at_s)


@pytest.fixture
def former(present: WorkerId) -> WorkerId:
    """What had this process's pid ten seconds before it began."""
    return replace(present, started_at_s=(present.started_at_s or 0) - 10)


def test_who_has_the_pid(present: WorkerId, former: WorkerId) -> None:
    assert not is_replaced(present)
    assert is_replaced(former)
    assert not is_replaced(replace(present, started_at_s=None)), "a worker of a log has no start time"
    assert not is_replaced(WorkerId(2**22 + 1, started_at_s=1.0)), "gone is not replaced"


def test_looks_and_samples(present: WorkerId, former: WorkerId) -> None:
    looker = Looker(SystemClock(), stack_reader=Stacks(("py-spy",)))
    assert any(part().events for part in looker.parts(os.getpid(), present, 1))
    assert [part().events for part in looker.parts(os.getpid(), former, 1)] == [(), ()]
    sampler, clock = ProcessSampler(SystemClock()), SystemClock()
    assert sample_process(sampler, clock, os.getpid(), present, 1) is not None
    assert sample_process(sampler, clock, os.getpid(), former, 1) is None


def test_a_pid_that_is_given_away_during_a_look(present: WorkerId, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [False, True]
    monkeypatch.setattr("gtdiag.collectors.looks.is_replaced", lambda _worker: answers.pop(0))
    looker = Looker(SystemClock(), stack_reader=Stacks(("py-spy",)))
    _, stacks = looker.parts(os.getpid(), present, 1)
    assert stacks().events == ()


def test_memory_is_not_opened_for_another(present: WorkerId, former: WorkerId) -> None:
    closed: list[int] = []

    class Memory:
        def close(self) -> None:
            closed.append(1)

    reader = SuspendedReader(lambda _pid: Memory())  # type: ignore[arg-type,return-value]
    look = reader.read(former)
    assert (look.suspended, look.gone, closed) == (None, True, [1])
    assert reader.read_threads(former) == ()


def test_what_py_spy_fails_on_then_is_no_gap(former: WorkerId) -> None:
    class Failing(StackReader):
        def read(self, pid: int, master_pid: int | None = None) -> tuple[ThreadStack, ...]:
            raise StackReadError("not a Python process")

    looker = Looker(SystemClock(), stack_reader=Failing(("py-spy",)))
    assert [part().events for part in looker.parts(os.getpid(), former, 1)] == [(), ()]
