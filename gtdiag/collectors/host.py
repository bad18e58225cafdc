"""The questions a watch asks about the processes of this host, behind one interface, so that a test can answer them."""

from __future__ import annotations

import os
from collections.abc import Container
from datetime import datetime, timedelta
from typing import Protocol

from gtdiag.collectors.cgroup import CgroupMemory, CgroupPlace, find_cgroup, read_cgroup
from gtdiag.collectors.clock import Clock, read_seconds_since_boot
from gtdiag.collectors.cpu_shortage import CpuShortage, read_cpu_shortage
from gtdiag.collectors.footprints import Footprints
from gtdiag.collectors.heartbeats import read_heartbeat
from gtdiag.collectors.kernel_log import KernelLog
from gtdiag.collectors.looks import Looker, LookPart, sample_process
from gtdiag.collectors.master import MasterFacts, read_master
from gtdiag.collectors.own_memory import find_own_memory
from gtdiag.collectors.processes import ProcessSampler, WorkerFinder, WorkerProcess, is_alive
from gtdiag.gunicorn.heartbeat import Heartbeat
from gtdiag.gunicorn.masters import find_successors
from gtdiag.gunicorn.proc_files import read_children, read_inner_pid, read_stat
from gtdiag.model.events import ProcessSample, StartupSample
from gtdiag.model.identity import WorkerId
from gtdiag.parsing.kernel_lines import OomKill


class Host(Protocol):
    """What a watch needs to know. Every method may raise ProcessLookupError where the process has gone."""

    def started_at_s(self, pid: int) -> float:
        """A process's start in seconds since boot."""

    def wall_time_of(self, started_at_s: float) -> datetime:
        """A start time on the wall clock."""

    def is_alive(self, pid: int, started_at_s: float) -> bool:
        """Whether that very process still runs."""

    def workers(self, master_pid: int, calm: Container[WorkerId] = ()) -> list[WorkerProcess]:
        """The workers of a master as they are now; of the calm ones only whether they live is of interest."""

    def has_moved(self, worker: WorkerProcess) -> bool:
        """Whether its memory has changed since its last sample, as `workers` has just seen; False where unknown."""

    def strangers(self, master_pid: int) -> frozenset[int]:
        """The master's other children."""

    def successors(self, master_pid: int) -> list[int]:
        """The masters that USR2 made of this one."""

    def heartbeats_denied(self, master_pid: int) -> bool:
        """Whether descriptor tables may not be read."""

    def heartbeat(self, worker: WorkerProcess, version_major: int | None) -> Heartbeat | None:
        """A worker's heartbeat; None where it cannot be read now."""

    def process(
        self, pid: int, worker: WorkerId | None, master_pid: int, *, with_wchan: bool, brief: bool = False
    ) -> ProcessSample | None:
        """Memory and CPU; `brief`: as cheaply as a process deserves that nobody worries about."""

    def master(self, pid: int) -> MasterFacts:
        """Version and settings."""

    def cgroup(self, pid: int) -> CgroupMemory | None:
        """Memory limit, use and kills; None where there is no memory cgroup."""

    def own_memory(self) -> CgroupMemory | None:
        """The same of gtdiag's own cgroup."""

    def cpu(self, pid: int) -> CpuShortage | None:
        """CPU quota, throttling and pressure."""

    def kernel_kills(self) -> list[OomKill]:
        """What the kernel's log says it has killed for memory since the last call."""

    def look_parts(self, pid: int, worker: WorkerId | None, master_pid: int) -> tuple[LookPart, ...]:
        """The parts of a deep look, to be run in other threads."""

    def glimpse(self, worker: WorkerId, master_pid: int) -> StartupSample | None:
        """A starting worker's main thread, from its memory; not while a deep look at it is under way."""

    def inner_pids(self, master_pid: int) -> dict[int, int]:
        """The pids that the master's log uses, to the pids seen from here; empty where they are the same."""

    def forget(self, worker: WorkerId) -> None:
        """A worker is gone."""

    def close(self) -> None:
        """The watch is over."""


class ThisHost:
    """This machine, through /proc."""

    def __init__(self, clock: Clock, looker: Looker | None = None, *, redact: bool = True) -> None:
        self._clock = clock
        self._looker = looker or Looker(clock, redact=redact)
        self._sampler = ProcessSampler(clock)
        self._footprints = Footprints()
        self._finders: dict[int, WorkerFinder] = {}
        self._cgroups: dict[int, CgroupPlace | None] = {}
        self._cpu_cgroups: dict[int, CgroupPlace | None] = {}
        self._kernel_log: KernelLog | None = None

    def started_at_s(self, pid: int) -> float:
        """Field 22 of /proc/PID/stat."""
        return read_stat(pid).started_at_s

    def wall_time_of(self, started_at_s: float) -> datetime:
        """Reckoned back from now, so right also when the wall clock was set since."""
        return self._clock.now() - timedelta(seconds=read_seconds_since_boot() - started_at_s)

    def is_alive(self, pid: int, started_at_s: float) -> bool:
        """Not gone, not a zombie, not another process of the same pid."""
        return is_alive(pid, started_at_s)

    def workers(self, master_pid: int, calm: Container[WorkerId] = ()) -> list[WorkerProcess]:
        """See WorkerFinder."""
        return self._finder(master_pid).find(calm)

    def has_moved(self, worker: WorkerProcess) -> bool:
        """By the resident pages."""
        pages = self._finder(worker.master_pid).resident_pages(worker.id.pid)
        return pages is not None and self._sampler.has_moved(worker.id, pages)

    def strangers(self, master_pid: int) -> frozenset[int]:
        """Children that are no workers."""
        return self._finder(master_pid).strangers

    def successors(self, master_pid: int) -> list[int]:
        """See find_successors."""
        return find_successors(master_pid)

    def heartbeats_denied(self, master_pid: int) -> bool:
        """Whether the finder was denied a descriptor table."""
        return self._finder(master_pid).denied

    def heartbeat(self, worker: WorkerProcess, version_major: int | None) -> Heartbeat | None:
        """One `stat` call."""
        if worker.heartbeat_file is None:
            return None
        try:
            return read_heartbeat(worker.heartbeat_file, self._clock, version_major)
        except PermissionError:
            return None

    def process(
        self, pid: int, worker: WorkerId | None, master_pid: int, *, with_wchan: bool, brief: bool = False
    ) -> ProcessSample | None:
        """Three files of /proc, four with wchan; mostly none when brief, since `workers` has read the one."""
        finder = self._finders.get(master_pid)
        return sample_process(
            self._sampler,
            self._clock,
            pid,
            worker,
            master_pid,
            with_wchan=with_wchan,
            stat=finder.take_stat(pid) if finder is not None else None,
            brief=brief,
        )

    def master(self, pid: int) -> MasterFacts:
        """See read_master."""
        return read_master(pid)

    def cgroup(self, pid: int) -> CgroupMemory | None:
        """The place is looked up once: a process rarely moves."""
        if pid not in self._cgroups:
            self._cgroups[pid] = find_cgroup(pid)
        place = self._cgroups[pid]
        return None if place is None else read_cgroup(place)

    def own_memory(self) -> CgroupMemory | None:
        """See find_own_memory."""
        return find_own_memory()

    def cpu(self, pid: int) -> CpuShortage | None:
        """The place is looked up once, as that of the memory is."""
        if pid not in self._cpu_cgroups:
            self._cpu_cgroups[pid] = find_cgroup(pid, "cpu")
        return read_cpu_shortage(self._cpu_cgroups[pid])

    def kernel_kills(self) -> list[OomKill]:
        """See KernelLog; it is opened at the first call, and tells of what comes after that."""
        if self._kernel_log is None:
            self._kernel_log = KernelLog()
        return self._kernel_log.read_kills()

    def look_parts(self, pid: int, worker: WorkerId | None, master_pid: int) -> tuple[LookPart, ...]:
        """See Looker."""
        return self._looker.parts(pid, worker, master_pid)

    def glimpse(self, worker: WorkerId, master_pid: int) -> StartupSample | None:
        """See Looker."""
        return self._looker.glimpse(worker, master_pid)

    def inner_pids(self, master_pid: int) -> dict[int, int]:
        """Read from NSpid: another one only in a container that is watched from outside."""
        try:
            if read_inner_pid(master_pid) == master_pid:
                return {}
            pids = (master_pid, *read_children(master_pid))
        except (ProcessLookupError, PermissionError):
            return {}
        inner = {}
        for pid in pids:
            try:
                inner[read_inner_pid(pid)] = pid
            except (ProcessLookupError, PermissionError):
                continue
        return inner

    def forget(self, worker: WorkerId) -> None:
        """Drop open files and remembered CPU times."""
        self._looker.forget(worker)
        self._sampler.forget(worker.pid)
        self._footprints.forget(worker)

    def close(self) -> None:
        """Close every open file."""
        if self._kernel_log is not None:
            self._kernel_log.close()
        self._footprints.close()
        self._looker.close()

    def _finder(self, master_pid: int) -> WorkerFinder:
        if master_pid not in self._finders:
            self._finders[master_pid] = WorkerFinder(master_pid, self._footprints)
        return self._finders[master_pid]


def looking_threads() -> int:
    """How many looks may be under way at once: each is mostly a py-spy process of its own."""
    return max(2, min(4, os.cpu_count() or 2))
