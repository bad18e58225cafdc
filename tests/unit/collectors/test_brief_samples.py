"""A process that nobody worries about is sampled with one file; anything that moves is read in full."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from gtdiag.collectors import processes
from gtdiag.collectors.clock import SystemClock
from gtdiag.collectors.processes import BRIEFLY_FOR_S, ProcessSampler, WorkerFinder, is_same
from gtdiag.collectors.sampling import is_beating, thresholds_for
from gtdiag.gunicorn.proc_files import read_stat


class SettableClock(SystemClock):
    """The real one, some seconds ahead."""

    ahead_s = 0.0

    def stepped_s(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []

    def recording_read(pid: int, *arguments: object) -> object:
        names.append("status")
        return read_sizes(pid, *arguments)  # type: ignore[arg-type]

    read_sizes = processes._read_sizes
    monkeypatch.setattr(processes, "_read_sizes", recording_read)
    return names


def test_of_a_process_that_stays_as_it_is_only_the_stat_file_is_read(opened: list[str]) -> None:
    clock = SettableClock()
    sampler = ProcessSampler(clock)
    first = sampler.read(os.getpid(), brief=True)
    second = sampler.read(os.getpid(), brief=True)
    assert opened == ["status"]
    assert first is not None and first.main_thread_ran_s is not None
    assert second is not None
    assert (second.rss_bytes, second.peak_rss_bytes) == (first.rss_bytes, first.peak_rss_bytes)
    assert second.cpu_percent is not None, "the CPU share is from the stat file, so of every sample"
    assert second.main_thread_ran_s is None and second.pss_bytes is None
    clock.ahead_s = BRIEFLY_FOR_S
    assert sampler.read(os.getpid(), brief=True) is not None
    assert opened == ["status"] * 2


def test_memory_that_moves_is_read_at_once(opened: list[str]) -> None:
    sampler = ProcessSampler(SystemClock())
    before = sampler.read(os.getpid(), brief=True)
    ballast = bytearray(os.urandom(1) * (64 << 20))
    after = sampler.read(os.getpid(), brief=True)
    assert opened == ["status"] * 2
    assert before is not None and after is not None
    assert after.rss_bytes - before.rss_bytes > len(ballast) * 0.9


def test_without_brief_every_sample_is_whole(opened: list[str]) -> None:
    sampler = ProcessSampler(SystemClock())
    readings = [sampler.read(os.getpid()) for _ in range(3)]
    assert opened == ["status"] * 3
    assert all(reading is not None and reading.main_thread_ran_s is not None for reading in readings)


def test_the_finders_reading_is_used_once() -> None:
    finder = WorkerFinder(os.getpid())
    finder._stats[1] = read_stat(os.getpid())
    assert finder.take_stat(1) is not None
    assert finder.take_stat(1) is None


def test_another_process_of_the_same_pid_is_not_the_same() -> None:
    stat = read_stat(os.getpid())
    assert is_same(stat, stat.started_at_s)
    assert is_same(stat, None)
    assert not is_same(stat, stat.started_at_s + 0.01)
    assert not is_same(replace(stat, state="Z"), stat.started_at_s)


def test_the_resident_pages_are_those_of_status() -> None:
    time.sleep(0.01)
    reading = ProcessSampler(SystemClock()).read(os.getpid())
    assert reading is not None
    pages = read_stat(os.getpid()).resident_pages
    # Each CPU may hold back a batch of pages (proc_pid_stat(5): "inaccurate").
    assert abs(pages * os.sysconf("SC_PAGE_SIZE") - reading.rss_bytes) < (os.cpu_count() or 1) * (2 << 20)


@pytest.mark.parametrize(
    ("age_s", "ever", "timeout_s", "beating"),
    [
        (1.0, True, 30.0, True),
        (15.2, True, 30.0, True),  # an idle sync worker beats each 15 s
        (20.0, True, 30.0, False),
        (0.5, False, 30.0, False),  # still starting
        (0.5, None, 30.0, False),
        (None, True, 30.0, False),
        (0.5, True, 3.0, False),  # every second counts
        (1.0, True, 0.0, True),
    ],
)
def test_who_is_worried_about(age_s: float | None, ever: bool | None, timeout_s: float, beating: bool) -> None:
    assert is_beating(age_s, ever, thresholds_for(timeout_s, "sync")) is beating
