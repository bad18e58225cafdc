"""One look at every worker of a master, all at the same time: what are they doing right now."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

from gtdiag.collectors.clock import Clock, SystemClock
from gtdiag.collectors.host import Host, ThisHost, looking_threads
from gtdiag.collectors.looks import SAMPLE_RESOLUTION_S, Look
from gtdiag.collectors.master import MasterFacts, master_events
from gtdiag.collectors.permissions import say_rerun
from gtdiag.collectors.processes import WorkerProcess
from gtdiag.errors import NoSuchProcessError
from gtdiag.gunicorn.heartbeat import major_of
from gtdiag.gunicorn.masters import find_master_of
from gtdiag.model.events import (
    CgroupSample,
    CollectionGap,
    Event,
    HeartbeatSample,
    ObservationEnded,
    ObservationStarted,
    WorkerBooted,
)
from gtdiag.model.identity import Origin

LONGEST_LOOK_S = 10.0
"""A py-spy that hangs is ended by its own deadline; this only keeps the snapshot from waiting for ever."""


def collect_snapshot(
    pid: int, *, clock: Clock | None = None, host: Host | None = None, redact: bool = True
) -> Iterator[Event]:
    """Look once at the master of `pid` (a worker's pid leads to it) and at all its workers.

    `redact`: do not even read the values in the queries of requests.

    Raises, at once, NoSuchProcessError, NotGunicornError or AccessError.
    """
    clock = clock or SystemClock()
    master_pid = find_master_of(pid) if host is None else pid
    host = host or ThisHost(clock, redact=redact)
    try:
        masters = {master_pid: host.master(master_pid)}
    except ProcessLookupError:
        host.close()
        raise NoSuchProcessError(f"process {master_pid} ended while it was looked at") from None
    for successor in host.successors(master_pid):
        try:
            masters[successor] = host.master(successor)
        except ProcessLookupError:
            continue
    return _numbered(_Snapshot(master_pid, masters, clock, host).events())


class _Snapshot:
    def __init__(self, master_pid: int, masters: dict[int, MasterFacts], clock: Clock, host: Host) -> None:
        self._master_pid = master_pid
        self._masters = masters
        self._clock = clock
        self._host = host

    def events(self) -> Iterator[Event]:
        yield ObservationStarted(
            origin=Origin("master"),
            at=self._clock.now(),
            resolution_s=SAMPLE_RESOLUTION_S,
            master_pid=self._master_pid,
            kind="live",
            pid=self._master_pid,
            hostname=socket.gethostname(),
        )
        pool = ThreadPoolExecutor(max_workers=looking_threads(), thread_name_prefix="look")
        try:
            for master_pid, facts in self._masters.items():
                started_at = self._host.wall_time_of(self._host.started_at_s(master_pid))
                yield from master_events(master_pid, facts, self._clock, started_at)
                yield from self._look_at(master_pid, facts, pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._host.close()
        yield ObservationEnded(
            origin=Origin("master"),
            at=self._clock.now(),
            resolution_s=SAMPLE_RESOLUTION_S,
            master_pid=self._master_pid,
        )

    def _look_at(self, master_pid: int, facts: MasterFacts, pool: Executor) -> Iterator[Event]:
        try:
            workers = self._host.workers(master_pid)
        except (ProcessLookupError, PermissionError):
            return
        if self._host.heartbeats_denied(master_pid):
            yield CollectionGap(
                origin=Origin("heartbeat"),
                at=self._clock.now(),
                resolution_s=SAMPLE_RESOLUTION_S,
                master_pid=master_pid,
                what="heartbeat",
                why="the descriptor tables of the workers may not be read by this user",
                hint=say_rerun(master_pid, "snapshot"),
            )
        version_major = major_of(facts.version)
        for worker in workers:
            yield from self._sample(worker, version_major)
        sample = self._host.process(master_pid, None, master_pid, with_wchan=not workers)
        if sample is not None:
            yield sample
        memory = self._host.cgroup(master_pid)
        if memory is not None:
            yield CgroupSample(
                origin=Origin("cgroup"),
                at=self._clock.now(),
                resolution_s=SAMPLE_RESOLUTION_S,
                master_pid=master_pid,
                limit_bytes=memory.limit_bytes,
                current_bytes=memory.current_bytes,
                oom_kill=memory.oom_kill,
                inactive_file_bytes=memory.inactive_file_bytes,
                kill_count_file=memory.kill_count_file,
            )
        # Begun last: while they go on, this thread has nothing else to do than to wait for them.
        looks: list[Future[Look]] = [
            pool.submit(part)
            for worker in workers
            for part in self._host.look_parts(worker.id.pid, worker.id, master_pid)
        ]
        if not workers:
            # `--preload` runs the application's start-up in the master.
            looks += [pool.submit(part) for part in self._host.look_parts(master_pid, None, master_pid)]
        for look in looks:
            try:
                yield from look.result(timeout=LONGEST_LOOK_S).events
            except FutureTimeoutError:
                continue

    def _sample(self, worker: WorkerProcess, version_major: int | None) -> Iterator[Event]:
        yield WorkerBooted(
            origin=Origin("process"),
            at=self._host.wall_time_of(worker.id.started_at_s or 0.0),
            resolution_s=0.02,
            worker=worker.id,
            master_pid=worker.master_pid,
        )
        heartbeat = self._host.heartbeat(worker, version_major)
        if heartbeat is not None:
            yield HeartbeatSample(
                origin=Origin("heartbeat"),
                at=self._clock.now(),
                resolution_s=SAMPLE_RESOLUTION_S,
                worker=worker.id,
                master_pid=worker.master_pid,
                age_s=round(heartbeat.age_s, 3),
                ever=heartbeat.ever,
            )
        sample = self._host.process(worker.id.pid, worker.id, worker.master_pid, with_wchan=True)
        if sample is not None:
            yield sample


def _numbered(events: Iterator[Event]) -> Iterator[Event]:
    for seq, event in enumerate(events):
        yield dataclasses.replace(event, seq=seq)
