"""The open statm of a process: its size while it lives, and no other process's afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gtdiag.collectors.footprints import Footprints
from gtdiag.collectors.processes import WorkerFinder, WorkerProcess
from gtdiag.gunicorn.proc_files import read_stat
from gtdiag.model.identity import WorkerId

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def identity_of(pid: int) -> WorkerId:
    return WorkerId(pid, started_at_s=read_stat(pid).started_at_s)


def waiting_child() -> subprocess.Popen[bytes]:
    """A process that has come to its own code: in the moment of an exec it has no pages."""
    code = "print(flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    return child


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_pages_are_those_of_stat() -> None:
    footprints = Footprints()
    me = identity_of(os.getpid())
    pages = footprints.read_pages(me)
    assert pages is not None
    assert abs(pages - read_stat(os.getpid()).resident_pages) < (os.cpu_count() or 1) * 512
    ballast = bytearray(os.urandom(1) * (64 << 20))
    grown = footprints.read_pages(me)
    assert grown is not None
    assert grown - pages > len(ballast) * 0.9 / os.sysconf("SC_PAGE_SIZE")
    footprints.close()


def test_a_zombie_and_a_process_that_is_gone_are_gone() -> None:
    footprints = Footprints()
    child = waiting_child()
    identity = identity_of(child.pid)
    assert footprints.read_pages(identity)
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ProcessLookupError):
        footprints.read_pages(identity)
    child.wait()
    with pytest.raises(ProcessLookupError):
        footprints.read_pages(identity)
    with pytest.raises(ProcessLookupError):
        Footprints().read_pages(identity)
    footprints.close()


def test_another_process_of_the_same_pid_is_not_it() -> None:
    earlier = WorkerId(os.getpid(), started_at_s=read_stat(os.getpid()).started_at_s - 1)
    before = open_files()
    with pytest.raises(ProcessLookupError):
        Footprints().read_pages(earlier)
    assert open_files() == before


def test_only_so_many_are_held_open_and_all_are_let_go() -> None:
    before = open_files()
    footprints = Footprints(most_open=1)
    me, parent = identity_of(os.getpid()), identity_of(os.getppid())
    assert footprints.read_pages(me) is not None
    assert footprints.read_pages(parent) is None, "to be read in another way"
    assert open_files() == before + 1
    footprints.forget(me)
    footprints.forget(me)
    assert footprints.read_pages(parent) is not None
    footprints.close()
    assert open_files() == before


@pytest.mark.parametrize("most_open", [0, 8])
def test_a_finder_asks_those_that_are_calm_whether_they_live(most_open: int) -> None:
    footprints = Footprints(most_open)
    finder = WorkerFinder(os.getpid(), footprints)
    child = waiting_child()
    worker = WorkerProcess(identity_of(child.pid), os.getpid(), None)
    finder._known[child.pid] = worker
    assert finder.find({worker.id}) == [worker]
    assert finder.resident_pages(child.pid)
    assert (finder.take_stat(child.pid) is None) is bool(most_open), "the one file or the other"
    child.kill()
    child.wait()
    assert finder.find({worker.id}) == []
    assert finder.resident_pages(child.pid) is None
    footprints.close()
