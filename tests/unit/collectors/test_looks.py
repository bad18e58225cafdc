"""A deep look at a real process: py-spy is started where a thread runs, and not where memory shows the stacks."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from gtdiag.collectors.clock import SystemClock
from gtdiag.collectors.looks import Looker
from gtdiag.collectors.stacks import StackReader, StackReadError
from gtdiag.collectors.suspended import SuspendedLook
from gtdiag.gunicorn.proc_files import read_stat
from gtdiag.model.events import CollectionGap, Event, StackSample, SuspendedSample
from gtdiag.model.identity import WorkerId
from gtdiag.model.stacks import ThreadStack

pytestmark = pytest.mark.live

AT_REST = "import sys\ndef waits():\n print(flush=True)\n sys.stdin.read()\nwaits()"
BUSY = "def spins():\n print(flush=True)\n while True: pass\nspins()"


class CountedReader:
    """py-spy, counted."""

    def __init__(self) -> None:
        self.real = StackReader.found()
        self.times = 0

    def read(self, pid: int, master_pid: int | None = None) -> tuple[ThreadStack, ...]:
        self.times += 1
        return self.real.read(pid, master_pid)


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", request.param]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def look(pid: int, looker: Looker, *, worker: bool = True) -> list[Event]:
    identity = WorkerId(pid, started_at_s=read_stat(pid).started_at_s)
    return [event for part in looker.parts(pid, identity if worker else None, 1) for event in part().events]


def stacks(events: list[Event]) -> list[list[str]]:
    return [
        [frame.function for frame in thread.frames]
        for event in events
        if isinstance(event, StackSample)
        for thread in event.threads
    ]


@pytest.mark.parametrize("target", [AT_REST], indirect=True)
@pytest.mark.parametrize("worker", [True, False])
def test_py_spy_is_not_started_for_a_process_at_rest(target: subprocess.Popen[bytes], worker: bool) -> None:
    reader = CountedReader()
    looker = Looker(SystemClock(), stack_reader=reader)  # type: ignore[arg-type]
    tries = [look(target.pid, looker, worker=worker) for _ in range(3)]
    looker.close()
    assert all(stacks(events) == [["<module>", "waits"]] for events in tries)
    assert reader.times < 3, "at rest at least once"
    assert not any(isinstance(event, CollectionGap) for events in tries for event in events)


@pytest.mark.parametrize("target", [BUSY], indirect=True)
def test_py_spy_sees_a_process_that_runs(target: subprocess.Popen[bytes]) -> None:
    reader = CountedReader()
    looker = Looker(SystemClock(), stack_reader=reader)  # type: ignore[arg-type]
    events = look(target.pid, looker)
    looker.close()
    assert reader.times == 1
    [sample] = [event for event in events if isinstance(event, StackSample)]
    [thread] = sample.threads
    assert thread.active and thread.holds_gil and thread.main
    assert thread.frames[-1].function == "spins"


@pytest.mark.parametrize("target", [AT_REST], indirect=True)
def test_a_missing_py_spy_is_said_although_memory_shows_the_stacks(
    target: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_found() -> StackReader:
        raise StackReadError("py-spy is not installed beside gtdiag", "pip install py-spy", lasting=True)

    monkeypatch.setattr(StackReader, "found", not_found)
    looker = Looker(SystemClock())
    events = look(target.pid, looker)
    looker.close()
    assert stacks(events) == [["<module>", "waits"]]
    [gap] = [event for event in events if isinstance(event, CollectionGap) and event.what == "stacks"]
    assert "py-spy" in gap.why and gap.hint


class HangingOnce:
    """Reads nothing; the first reading hangs until it is let go."""

    def __init__(self) -> None:
        self.hangs, self.let_go, self.begun = threading.Event(), threading.Event(), 0

    def read_at_rest(self, *_: object, **__: object) -> None:
        self.begun += 1
        if self.begun == 1:
            self.hangs.set()
            self.let_go.wait(30)

    def read(self, _: WorkerId) -> SuspendedLook:
        return SuspendedLook(())

    def read_requests(self, *_: object, **__: object) -> None:
        return None

    def read_threads(self, _: WorkerId) -> tuple[ThreadStack, ...]:
        return ()

    def read_named_hosts(self, _: WorkerId) -> tuple[()]:
        return ()

    def close(self) -> None:
        self.let_go.set()


@pytest.mark.parametrize("target", [AT_REST], indirect=True)
def test_a_reading_that_hangs_does_not_hold_up_the_others(target: subprocess.Popen[bytes]) -> None:
    reader = HangingOnce()
    looker = Looker(SystemClock(), stack_reader=CountedReader(), suspended_reader=reader)  # type: ignore[arg-type]
    first = threading.Thread(target=lambda: look(target.pid, looker), daemon=True)
    first.start()
    assert reader.hangs.wait(30)
    assert any(isinstance(event, SuspendedSample) for event in look(target.pid, looker))
    assert first.is_alive() and not reader.let_go.is_set(), "the first still hangs"
    looker.close()
    first.join(30)
