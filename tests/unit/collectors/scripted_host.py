"""A host whose processes do what a script says, and a clock that only moves when somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from gtdiag.collectors.cgroup import CgroupMemory
from gtdiag.collectors.cpu_shortage import CpuShortage
from gtdiag.collectors.looks import Look, LookPart
from gtdiag.collectors.master import MasterFacts
from gtdiag.collectors.processes import WorkerProcess
from gtdiag.gunicorn.heartbeat import Heartbeat
from gtdiag.model.events import Event, ProcessSample, StackSample
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.model.stacks import Frame, ThreadStack
from gtdiag.parsing.kernel_lines import OomKill

BOOT = datetime(2026, 1, 2, 3, 0, 0, tzinfo=timezone.utc)
"""The machine's boot: second 0 of the monotonic clock and of start times."""


class ScriptedClock:
    """Sleeping moves the time and runs what the script has planned until then."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s
        self.plan: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> datetime:
        return BOOT + timedelta(seconds=self.now_s)

    def stepped_s(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds
        for step in sorted(self.plan, key=lambda step: step[0]):
            if step[0] <= self.now_s:
                self.plan.remove(step)
                step[1]()

    def wait(self, seconds: float, descriptors: Sequence[int]) -> None:
        """What the script does next is what can be read then."""
        next_s = min((at_s for at_s, _ in self.plan), default=self.now_s + seconds)
        self.sleep(max(0.001, min(seconds, next_s - self.now_s)))

    def at(self, now_s: float, action: Callable[[], None]) -> None:
        self.plan.append((now_s, action))


class AtOnce(Executor):
    """Runs what is submitted before `submit` returns."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass
class ScriptedWorker:
    """`beat_at_s` is the last heartbeat, None before the first one; `beats_every_s`: it beats by itself."""

    pid: int
    started_at_s: float
    beat_at_s: float | None = None
    beats_every_s: float | None = None
    alive: bool = True
    frames: tuple[str, ...] = ("load", "connect")


@dataclass
class ScriptedMaster:
    pid: int
    started_at_s: float = 900.0
    alive: bool = True
    workers: list[ScriptedWorker] = field(default_factory=list)
    successors: list[int] = field(default_factory=list)
    values: dict[str, object] = field(default_factory=lambda: {"timeout": 30, "workers": 2, "worker_class": "sync"})
    version: str | None = "23.0.0"


class ScriptedHost:
    """Answers a watch's questions from ScriptedMasters; counts the looks."""

    def __init__(self, clock: ScriptedClock, *masters: ScriptedMaster) -> None:
        self.clock = clock
        self.masters = {master.pid: master for master in masters}
        self.looks: list[tuple[float, int]] = []
        self.cgroup_memory: CgroupMemory | None = CgroupMemory(None, 1, 0)
        self.own_memory_left: CgroupMemory | None = None
        self.denied = False
        self.forgotten: list[WorkerId] = []
        self.closed = False
        self.inner: dict[int, int] = {}
        self.moving: set[int] = set()
        """Workers whose memory changes all the time."""

    def started_at_s(self, pid: int) -> float:
        return self._master(pid).started_at_s

    def wall_time_of(self, started_at_s: float) -> datetime:
        return BOOT + timedelta(seconds=started_at_s)

    def is_alive(self, pid: int, started_at_s: float) -> bool:
        for master in self.masters.values():
            if master.pid == pid:
                return master.alive
            for worker in master.workers:
                if (worker.pid, worker.started_at_s) == (pid, started_at_s):
                    return worker.alive
        return False

    def has_moved(self, worker: WorkerProcess) -> bool:
        return worker.id.pid in self.moving

    def workers(self, master_pid: int, calm: Container[WorkerId] = ()) -> list[WorkerProcess]:
        return [
            WorkerProcess(WorkerId(worker.pid, started_at_s=worker.started_at_s), master_pid, None)
            for worker in self._master(master_pid).workers
            if worker.alive
        ]

    def strangers(self, master_pid: int) -> frozenset[int]:
        return frozenset(self._master(master_pid).successors)

    def successors(self, master_pid: int) -> list[int]:
        return self._master(master_pid).successors

    def heartbeats_denied(self, master_pid: int) -> bool:
        return self.denied

    def heartbeat(self, worker: WorkerProcess, version_major: int | None) -> Heartbeat | None:
        found = self._worker(worker.id)
        if self.denied or found is None:
            return None
        now_s = self.clock.now_s
        if found.beats_every_s is not None:
            return Heartbeat((now_s - found.started_at_s) % found.beats_every_s, True)
        if found.beat_at_s is None:
            return Heartbeat(now_s - found.started_at_s, False)
        return Heartbeat(now_s - found.beat_at_s, True)

    def process(
        self, pid: int, worker: WorkerId | None, master_pid: int, *, with_wchan: bool, brief: bool = False
    ) -> ProcessSample | None:
        return ProcessSample(
            origin=Origin("process"), at=self.clock.now(), worker=worker, master_pid=master_pid, rss_bytes=1
        )

    def master(self, pid: int) -> MasterFacts:
        master = self._master(pid)
        return MasterFacts(master.version, "3.11.7", dict(master.values), "app:app", "/srv", "memory")

    def kernel_kills(self) -> list[OomKill]:
        return []

    def cpu(self, pid: int) -> CpuShortage | None:
        return None

    def cgroup(self, pid: int) -> CgroupMemory | None:
        return self.cgroup_memory

    def own_memory(self) -> CgroupMemory | None:
        return self.own_memory_left

    def look_parts(self, pid: int, worker: WorkerId | None, master_pid: int) -> tuple[LookPart, ...]:
        return (lambda: self._look(pid, worker, master_pid),)

    def glimpse(self, worker: WorkerId, master_pid: int) -> None:
        """Deep looks are what these scripts are about."""

    def inner_pids(self, master_pid: int) -> dict[int, int]:
        return self.inner

    def forget(self, worker: WorkerId) -> None:
        self.forgotten.append(worker)

    def close(self) -> None:
        self.closed = True

    def _look(self, pid: int, worker: WorkerId | None, master_pid: int) -> Look:
        self.looks.append((self.clock.now_s, pid))
        found = None if worker is None else self._worker(worker)
        names = found.frames if found else ("preload",)
        thread = ThreadStack(1, "MainThread", tuple(Frame(name, "app.py", 1) for name in names), main=True)
        event: Event = StackSample(
            origin=Origin("stack"), at=self.clock.now(), worker=worker, master_pid=master_pid, threads=(thread,)
        )
        return Look((event,), 0.02, names)

    def _master(self, pid: int) -> ScriptedMaster:
        master = self.masters.get(pid)
        if master is None or not master.alive:
            raise ProcessLookupError(pid)
        return master

    def _worker(self, identity: WorkerId) -> ScriptedWorker | None:
        for master in self.masters.values():
            for worker in master.workers:
                if (worker.pid, worker.started_at_s) == (identity.pid, identity.started_at_s) and worker.alive:
                    return worker
        return None
