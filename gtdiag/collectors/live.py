"""A running gunicorn master to one stream of events, for as long as the watch lasts.

Heartbeat and memory of every worker at each interval, log lines as they arrive, deep looks where sampling.py says so.
The watch only reads: it never signals, stops or writes to what it watches.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from gtdiag.collectors.clock import Clock, SystemClock
from gtdiag.collectors.health_probe import HealthProbe
from gtdiag.collectors.host import Host, ThisHost, looking_threads
from gtdiag.collectors.live_log import LineParser, LiveLog
from gtdiag.collectors.log_location import find_log
from gtdiag.collectors.log_tail import FileTail, PipeTail
from gtdiag.collectors.looks import SAMPLE_RESOLUTION_S, Look
from gtdiag.collectors.master import MasterFacts, master_events
from gtdiag.collectors.processes import WorkerProcess
from gtdiag.collectors.sampling import LookBudget, LookReason, Thresholds, WorkerView, reason_to_look, thresholds_for
from gtdiag.collectors.startup_glimpses import TICK_BUDGET_S, GlimpseSchedule
from gtdiag.errors import LogReadError, NoSuchProcessError
from gtdiag.gunicorn.heartbeat import major_of
from gtdiag.gunicorn.masters import find_master_of
from gtdiag.model.events import (
    CgroupSample,
    CollectionGap,
    CpuSample,
    Event,
    HealthSample,
    HeartbeatSample,
    KernelOomKilled,
    MasterGone,
    MasterSettings,
    ObservationEnded,
    ObservationStarted,
    WorkerBooted,
    WorkerExited,
    WorkerProgressed,
    WorkerReady,
)
from gtdiag.model.identity import Origin, WorkerId

DEFAULT_INTERVAL_S = 1.0
TICK_S = 0.2
"""How often the log is polled and deadlines are checked; a poll of a quiet log costs about 10 microseconds."""

CGROUP_EVERY_S = 5.0
SETTINGS_EVERY_S = 10.0
"""At most this often the settings are read again, when the set of workers has changed (HUP, TTIN, TTOU)."""

LAST_LOOKS_S = 2.0
"""How long the end of the watch waits for looks that are under way."""

LAST_LOOK_AT_DEAD_S = 0.1
"""How long the news of a worker's end waits for a look at it, so that the two come in order."""

BORN_HERE_S = 2.0
"""A worker first seen this soon after its start is watched from its start, so its first heartbeat is the first."""


@dataclass
class _Hang:
    """What the deep looks at one process have shown so far."""

    looked_at_s: float | None = None
    unchanged: int = 0
    picture: Hashable = None
    futures: list[Future[Look]] = field(default_factory=list)
    cost_s: float = 0.0
    seen: list[Hashable] = field(default_factory=list)


@dataclass
class _WatchedWorker:
    process: WorkerProcess
    watched_from_start: bool
    ready_said: bool = False
    heartbeat_age_s: float | None = None
    heartbeat_at_s: float = 0.0
    ever: bool | None = None
    hang: _Hang = field(default_factory=_Hang)
    glimpses: GlimpseSchedule = field(default_factory=GlimpseSchedule)


@dataclass
class _WatchedMaster:
    pid: int
    started_at_s: float
    started_at: datetime | None = None
    facts: MasterFacts | None = None
    settings: MasterSettings | None = None
    settings_read_at_s: float = float("-inf")
    settings_stale: bool = True
    thresholds: Thresholds = field(default_factory=lambda: thresholds_for(None, None))
    version_major: int | None = None
    workers: dict[WorkerId, _WatchedWorker] = field(default_factory=dict)
    without_workers_since_s: float | None = None
    hang: _Hang = field(default_factory=_Hang)
    oom_kill: int | None = None
    cgroup_at_s: float = float("-inf")
    first_seen: bool = True


class LiveCollector:
    """Watches one master, and the masters that USR2 makes of it.

    `pid`: the master's or a worker's. `log`: "auto" (find it), "none", "-" (standard input) or a path.
    `interval_s`: between two samples of a worker. `for_s`: end after so many seconds.
    `health_url`: ask this URL each second and yield the answers.
    `redact`: do not even read the values in the queries of requests.
    Raises, when created, NoSuchProcessError, NotGunicornError, AccessError or LogReadError.
    """

    def __init__(
        self,
        pid: int,
        *,
        log: str = "auto",
        interval_s: float = DEFAULT_INTERVAL_S,
        for_s: float | None = None,
        clock: Clock | None = None,
        host: Host | None = None,
        pool: Executor | None = None,
        stdin_descriptor: int | None = None,
        redact: bool = True,
        parser_factory: Callable[[str], LineParser] | None = None,
        health_url: str | None = None,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self.master_pid = find_master_of(pid) if host is None else pid
        self._host: Host = host or ThisHost(self._clock, redact=redact)
        self._log_option = log
        if log not in ("auto", "none", "-"):
            _check_log(Path(log))
        self._interval_s = interval_s
        self._for_s = for_s
        self._pool = pool
        self._stdin_descriptor = stdin_descriptor
        self._parser_factory = parser_factory or _parser
        self._masters: dict[int, _WatchedMaster] = {}
        self._of_the_dead: list[_Hang] = []
        self._log: LiveLog | None = None
        self._log_file: str | None = None
        self._outer_pids: dict[int, int] = {}
        self._worker_pids: set[int] = set()
        self._stop_reason: str | None = None
        self._said: set[tuple[str, int]] = set()
        try:
            started_at_s = self._host.started_at_s(self.master_pid)
        except ProcessLookupError:
            raise NoSuchProcessError(f"no process with pid {self.master_pid}") from None
        self._masters[self.master_pid] = _WatchedMaster(self.master_pid, started_at_s)
        self._budget = LookBudget(self._clock.monotonic())
        self._health = HealthProbe(health_url, self._clock) if health_url is not None else None

    def stop(self, reason: str = "interrupted") -> None:
        """End the watch soon; safe to call from a signal handler or another thread."""
        self._stop_reason = reason

    def events(self) -> Iterator[Event]:
        """Yield everything that is seen, numbered in order of arrival; the last one is ObservationEnded."""
        for seq, event in enumerate(self._watch()):
            yield dataclasses.replace(event, seq=seq)

    # --- the loop ----------------------------------------------------------------------------------------------------

    def _watch(self) -> Iterator[Event]:
        own_pool = self._pool is None
        pool = self._pool or ThreadPoolExecutor(max_workers=looking_threads(), thread_name_prefix="look")
        began_s = self._clock.monotonic()
        try:
            yield from self._begin()
            if self._health is not None:
                self._health.start()
            due_s = began_s
            while True:
                now_s = self._clock.monotonic()
                if self._log is not None:
                    for event in self._log.poll():
                        self._look_soon_after(event)
                        yield event
                        yield from self._admit_soon(event)
                yield from self._probes()
                yield from self._finished_looks()
                if now_s >= due_s:
                    yield from self._sample()
                    # A machine that stood still does not have to catch up on missed intervals.
                    due_s = max(due_s + self._interval_s, now_s)
                else:
                    yield from self._see_deaths()
                yield from self._glimpse_at_startups()
                self._start_looks(pool)
                reason = self._reason_to_end(began_s)
                if reason is not None:
                    break
                # Not past the next sample: a tick late each time would make the interval longer.
                self._clock.sleep(max(0.01, min(TICK_S, self._interval_s, due_s - self._clock.monotonic())))
            yield from self._end(reason)
        finally:
            if own_pool:
                pool.shutdown(wait=False, cancel_futures=True)
            if self._health is not None:
                self._health.stop()
            self._host.close()

    def _probes(self) -> list[HealthSample]:
        return self._health.poll() if self._health is not None else []

    def _begin(self) -> Iterator[Event]:
        master = self._masters[self.master_pid]
        facts = self._read_facts(master)
        gap = self._open_log(facts)
        yield ObservationStarted(
            origin=Origin("master"),
            at=self._clock.now(),
            resolution_s=SAMPLE_RESOLUTION_S,
            master_pid=self.master_pid,
            kind="live",
            files=(self._log_file,) if self._log_file else (),
            pid=self.master_pid,
            hostname=socket.gethostname(),
        )
        yield from self._settings_events(master)
        if gap is not None:
            yield gap
        yield from self._find_successors(master)
        # The workers first: which of the old log lines matter depends on who lives.
        for watched in list(self._masters.values()):
            yield from self._update_workers(watched)

    def _end(self, reason: str) -> Iterator[Event]:
        wait_for([future for hang in self._hangs() for future in hang.futures], timeout=LAST_LOOKS_S)
        yield from self._probes()
        yield from self._finished_looks()
        if self._log is not None:
            yield from self._log.close()
        yield ObservationEnded(
            origin=Origin("master"),
            at=self._clock.now(),
            resolution_s=SAMPLE_RESOLUTION_S,
            master_pid=self.master_pid,
            reason=reason,
        )

    def _reason_to_end(self, began_s: float) -> str | None:
        if self._stop_reason is not None:
            return self._stop_reason
        if not self._masters:
            return "master_gone"
        if self._for_s is not None and self._clock.monotonic() - began_s >= self._for_s:
            return "for"
        return None

    # --- samples -----------------------------------------------------------------------------------------------------

    def _sample(self) -> Iterator[Event]:
        for kill in self._host.kernel_kills():
            # The kernel's log tells of every container on the host: only our workers' own pids are ours.
            if kill.pid not in self._worker_pids:
                continue
            yield KernelOomKilled(
                origin=Origin("kernel_log"),
                at=self._clock.now(),
                resolution_s=self._interval_s,
                pid=kill.pid,
                process=kill.process,
                cgroup=kill.cgroup,
                wording=kill.wording,
            )
        for master in list(self._masters.values()):
            if not self._host.is_alive(master.pid, master.started_at_s):
                yield from self._lose_master(master)
                continue
            yield from self._update_workers(master)
            yield from self._settings_events(master)
            yield from self._find_successors(master)
            yield from self._sample_cgroup(master)
            yield from self._sample_cpu(master)
            sample = self._host.process(master.pid, None, master.pid, with_wchan=not master.workers)
            if sample is not None:
                yield sample
            for worker in list(master.workers.values()):
                yield from self._sample_worker(master, worker)

    def _update_workers(self, master: _WatchedMaster) -> Iterator[Event]:
        try:
            found = {process.id: process for process in self._host.workers(master.pid)}
        except ProcessLookupError:
            return  # the next sample sees that the master is gone
        except PermissionError:
            found = {}
        for identity in [identity for identity in master.workers if identity not in found]:
            yield from self._lose_worker(master, master.workers[identity])
        for identity, process in found.items():
            if identity not in master.workers:
                yield self._admit(master, process)
        if self._host.heartbeats_denied(master.pid):
            yield from self._say_once(
                master.pid,
                "heartbeat",
                "the descriptor tables of the workers may not be read by this user",
                f"sudo gtdiag watch {master.pid}",
            )
        now_s = self._clock.monotonic()
        if master.workers:
            master.without_workers_since_s = None
            master.hang = _Hang()
        elif master.without_workers_since_s is None:
            master.without_workers_since_s = now_s
        master.first_seen = False

    def _see_deaths(self) -> Iterator[Event]:
        """Between two samples: whether a worker that looked stuck has been killed, since the moment tells by whom."""
        for master in self._masters.values():
            stuck = [worker for worker in master.workers.values() if worker.hang.looked_at_s is not None]
            for worker in stuck:
                if not self._host.is_alive(worker.process.id.pid, worker.process.id.started_at_s or 0.0):
                    yield from self._lose_worker(master, worker, resolution_s=TICK_S)

    def _admit(self, master: _WatchedMaster, process: WorkerProcess) -> Event:
        started_at_s = process.id.started_at_s or 0.0
        booted_at = self._host.wall_time_of(started_at_s)
        age_s = (self._clock.now() - booted_at).total_seconds()
        self._worker_pids.add(process.id.pid)
        born_here = not master.first_seen or age_s <= BORN_HERE_S
        master.workers[process.id] = _WatchedWorker(process=process, watched_from_start=born_here)
        master.settings_stale = True
        return WorkerBooted(
            origin=Origin("process"),
            at=booted_at,
            resolution_s=0.02,
            worker=process.id,
            master_pid=master.pid,
        )

    def _lose_worker(
        self, master: _WatchedMaster, worker: _WatchedWorker, resolution_s: float | None = None
    ) -> Iterator[Event]:
        del master.workers[worker.process.id]
        yield from self._finished_look(worker.hang, wait_s=LAST_LOOK_AT_DEAD_S)
        if worker.hang.futures:
            self._of_the_dead.append(worker.hang)
        self._host.forget(worker.process.id)
        yield WorkerExited(
            origin=Origin("process"),
            at=self._clock.now(),
            resolution_s=self._interval_s if resolution_s is None else resolution_s,
            worker=worker.process.id,
            master_pid=master.pid,
            code=None,
        )
        master.cgroup_at_s = float("-inf")  # if the kernel killed it, its count has risen
        master.settings_stale = True

    def _lose_master(self, master: _WatchedMaster) -> Iterator[Event]:
        # What it logged on its way out comes before the end.
        if self._log is not None:
            yield from self._log.poll()
        for worker in list(master.workers.values()):
            if not self._host.is_alive(worker.process.id.pid, worker.process.id.started_at_s or 0.0):
                yield from self._lose_worker(master, worker)
        yield MasterGone(
            origin=Origin("master"),
            at=self._clock.now(),
            resolution_s=self._interval_s,
            master_pid=master.pid,
        )
        for worker in master.workers.values():
            self._host.forget(worker.process.id)
        del self._masters[master.pid]

    def _sample_worker(self, master: _WatchedMaster, worker: _WatchedWorker) -> Iterator[Event]:
        identity = worker.process.id
        heartbeat = self._host.heartbeat(worker.process, master.version_major)
        at, now_s = self._clock.now(), self._clock.monotonic()
        if heartbeat is not None:
            worker.heartbeat_age_s, worker.heartbeat_at_s = heartbeat.age_s, now_s
            yield HeartbeatSample(
                origin=Origin("heartbeat"),
                at=at,
                resolution_s=SAMPLE_RESOLUTION_S,
                worker=identity,
                master_pid=master.pid,
                age_s=round(heartbeat.age_s, 3),
                ever=heartbeat.ever,
            )
            if heartbeat.ever and not worker.ready_said and (worker.ever is False or worker.watched_from_start):
                yield self._ready(master, worker, at, heartbeat.age_s)
            worker.ready_said = worker.ready_said or heartbeat.ever
            worker.ever = heartbeat.ever
        suspicious = worker.hang.looked_at_s is not None and self._view(worker, now_s).ever is not None
        sample = self._host.process(identity.pid, identity, master.pid, with_wchan=suspicious)
        if sample is not None:
            yield sample

    def _ready(self, master: _WatchedMaster, worker: _WatchedWorker, at: datetime, age_s: float) -> Event:
        """The first heartbeat: at the latest `age_s` ago, at the earliest just after the sample before."""
        beat_at = at - timedelta(seconds=min(age_s, self._interval_s))
        return WorkerReady(
            origin=Origin("heartbeat"),
            at=beat_at,
            resolution_s=self._interval_s,
            worker=worker.process.id,
            master_pid=master.pid,
        )

    def _sample_cgroup(self, master: _WatchedMaster) -> Iterator[Event]:
        now_s = self._clock.monotonic()
        if now_s - master.cgroup_at_s < CGROUP_EVERY_S:
            return
        master.cgroup_at_s = now_s
        memory = self._host.cgroup(master.pid)
        at = self._clock.now()
        if memory is None:
            yield from self._say_once(
                master.pid, "memory", "no memory cgroup of the master can be read, so no limit and no kill count", ""
            )
            return
        yield CgroupSample(
            origin=Origin("cgroup"),
            at=at,
            resolution_s=SAMPLE_RESOLUTION_S,
            master_pid=master.pid,
            limit_bytes=memory.limit_bytes,
            current_bytes=memory.current_bytes,
            oom_kill=memory.oom_kill,
            inactive_file_bytes=memory.inactive_file_bytes,
            kill_count_file=memory.kill_count_file,
        )
        before, master.oom_kill = master.oom_kill, memory.oom_kill
        if before is not None and memory.oom_kill is not None and memory.oom_kill > before:
            yield KernelOomKilled(
                origin=Origin("cgroup"),
                at=at,
                resolution_s=CGROUP_EVERY_S,
                master_pid=master.pid,
                pid=None,
                process=None,
                cgroup=True,
                wording=f"oom_kill of the cgroup rose from {before} to {memory.oom_kill}",
            )

    def _sample_cpu(self, master: _WatchedMaster) -> Iterator[Event]:
        cpu = self._host.cpu(master.pid)
        if cpu is not None:
            yield CpuSample(
                origin=Origin("cgroup"),
                at=self._clock.now(),
                resolution_s=SAMPLE_RESOLUTION_S,
                master_pid=master.pid,
                **dataclasses.asdict(cpu),
            )

    # --- settings, successors ----------------------------------------------------------------------------------------

    def _read_facts(self, master: _WatchedMaster) -> MasterFacts | None:
        master.settings_read_at_s = self._clock.monotonic()
        try:
            facts = self._host.master(master.pid)
        except (ProcessLookupError, PermissionError):
            return master.facts
        master.facts = facts
        master.version_major = major_of(facts.version)
        master.thresholds = thresholds_for(facts.number("timeout"), facts.text("worker_class"))
        return facts

    def _settings_events(self, master: _WatchedMaster) -> Iterator[Event]:
        """MasterSettings when they are first known and when they have changed."""
        if master.settings is not None:
            recent = self._clock.monotonic() - master.settings_read_at_s < SETTINGS_EVERY_S
            if recent or not master.settings_stale:
                return
            self._read_facts(master)
        elif master.facts is None:
            self._read_facts(master)
        master.settings_stale = False
        if master.facts is None:
            return
        for event in master_events(master.pid, master.facts, self._clock, self._wall_start(master)):
            if isinstance(event, MasterSettings):
                if master.settings is None or _without_time(event) != _without_time(master.settings):
                    master.settings = event
                    yield event
            elif isinstance(event, CollectionGap):
                yield from self._once(event)

    def _wall_start(self, master: _WatchedMaster) -> datetime:
        # Reckoned once: the clocks' last digits differ from one reading to the next.
        if master.started_at is None:
            master.started_at = self._host.wall_time_of(master.started_at_s)
        return master.started_at

    def _find_successors(self, master: _WatchedMaster) -> Iterator[Event]:
        strangers = self._host.strangers(master.pid)
        if not strangers:
            return
        if all(pid in self._masters for pid in strangers):
            return
        for pid in self._host.successors(master.pid):
            if pid in self._masters:
                continue
            try:
                successor = _WatchedMaster(pid, self._host.started_at_s(pid), first_seen=False)
            except ProcessLookupError:
                continue
            self._masters[pid] = successor
            self._read_facts(successor)
            yield from self._settings_events(successor)

    # --- start-ups ---------------------------------------------------------------------------------------------------

    def _admit_soon(self, event: Event) -> Iterator[Event]:
        """A boot in the log: the first second of a start-up tells as much as the others."""
        if not isinstance(event, WorkerBooted) or event.worker is None:
            return
        for master in list(self._masters.values()):
            if any(identity.pid == event.worker.pid for identity in master.workers):
                return
            if self._host.is_alive(master.pid, master.started_at_s):
                yield from self._update_workers(master)

    def _glimpse_at_startups(self) -> Iterator[Event]:
        """Sample what starting workers are in; see startup_glimpses.py for how often and at what cost."""
        began_s = self._clock.monotonic()
        due = [
            (worker.glimpses.due_s, master, worker)
            for master in self._masters.values()
            for worker in master.workers.values()
            if worker.ever is not True and worker.glimpses.due_s <= began_s and not worker.hang.futures
        ]
        for _, master, worker in sorted(due, key=lambda one: one[0]):
            before_s = self._clock.monotonic()
            if before_s - began_s > TICK_BUDGET_S:
                return
            identity = worker.process.id
            sample = self._host.glimpse(identity, master.pid)
            now_s = self._clock.monotonic()
            age_s = (self._clock.now() - self._host.wall_time_of(identity.started_at_s or 0.0)).total_seconds()
            worker.glimpses.reschedule(now_s, age_s, now_s - before_s, saw_something=sample is not None)
            if sample is None:
                continue
            if not worker.glimpses.is_news(sample.threads, sample.suspended):
                sample = dataclasses.replace(sample, threads=(), suspended=(), unchanged=True)
            yield sample

    # --- deep looks --------------------------------------------------------------------------------------------------

    def _view(self, worker: _WatchedWorker, now_s: float) -> WorkerView:
        age_s = worker.heartbeat_age_s
        hang = worker.hang
        return WorkerView(
            age_s=None if age_s is None else age_s + (now_s - worker.heartbeat_at_s),
            ever=worker.ever,
            since_look_s=None if hang.looked_at_s is None else now_s - hang.looked_at_s,
            unchanged=hang.unchanged,
            looking=bool(hang.futures),
        )

    def _start_looks(self, pool: Executor) -> None:
        now_s = self._clock.monotonic()
        wanted: list[tuple[LookReason, float]] = []
        targets: list[tuple[int, WorkerId | None, int, _Hang]] = []
        for master in self._masters.values():
            for worker in master.workers.values():
                view = self._view(worker, now_s)
                reason = reason_to_look(view, master.thresholds)
                if reason is not None and self._is_still_due(master, worker, reason, now_s):
                    wanted.append((reason, view.since_look_s if view.since_look_s is not None else float("inf")))
                    identity = worker.process.id
                    targets.append((identity.pid, identity, master.pid, worker.hang))
            since_s = master.without_workers_since_s
            if since_s is not None:
                # No worker at all: `--preload` runs the application's start-up in the master.
                hang = master.hang
                since_look_s = None if hang.looked_at_s is None else now_s - hang.looked_at_s
                view = WorkerView(now_s - since_s, False, since_look_s, hang.unchanged, bool(hang.futures))
                reason = reason_to_look(view, thresholds_for(0, None))
                if reason is not None:
                    wanted.append((reason, since_look_s if since_look_s is not None else float("inf")))
                    targets.append((master.pid, None, master.pid, hang))
        for position in self._budget.grant(wanted, now_s):
            pid, identity_or_none, master_pid, hang = targets[position]
            hang.looked_at_s = now_s
            hang.futures = [pool.submit(part) for part in self._host.look_parts(pid, identity_or_none, master_pid)]

    def _look_soon_after(self, event: Event) -> None:
        """A step of the start-up in the log: what was seen before it tells nothing of what comes now."""
        if not isinstance(event, WorkerProgressed) or event.worker is None:
            return
        for master in self._masters.values():
            for identity, worker in master.workers.items():
                if identity.pid == event.worker.pid:
                    worker.hang.looked_at_s, worker.hang.unchanged = None, 0

    def _is_still_due(self, master: _WatchedMaster, worker: _WatchedWorker, reason: LookReason, now_s: float) -> bool:
        """The age is reckoned from the last sample; before a costly look, see whether the worker has beaten since."""
        if reason is LookReason.BLIND or worker.heartbeat_at_s == now_s:
            return True
        heartbeat = self._host.heartbeat(worker.process, master.version_major)
        if heartbeat is None:
            return True
        worker.heartbeat_age_s, worker.heartbeat_at_s = heartbeat.age_s, now_s
        if heartbeat.ever and worker.ever is False:
            return False  # the next sample says that it is ready
        return reason_to_look(self._view(worker, now_s), master.thresholds) is not None

    def _finished_looks(self) -> Iterator[Event]:
        for hang in self._hangs():
            yield from self._finished_look(hang)

    def _finished_look(self, hang: _Hang, wait_s: float = 0.0) -> Iterator[Event]:
        """Give what the parts of a look have seen; when all of them are there, see whether the picture has changed."""
        if not hang.futures:
            return
        if wait_s:
            wait_for(hang.futures, timeout=wait_s)
        done = [future for future in hang.futures if future.done()]
        hang.futures = [future for future in hang.futures if future not in done]
        for future in done:
            look = future.result()
            hang.cost_s += look.cost_s
            hang.seen.append(look.picture)
            yield from look.events
        if done and not hang.futures:
            picture = frozenset(hang.seen)
            hang.unchanged = hang.unchanged + 1 if picture == hang.picture else 0
            hang.picture = picture
            self._budget.spent(hang.cost_s)
            hang.cost_s, hang.seen = 0.0, []

    def _hangs(self) -> list[_Hang]:
        self._of_the_dead = [hang for hang in self._of_the_dead if hang.futures]
        hangs = list(self._of_the_dead)
        for master in self._masters.values():
            hangs.append(master.hang)
            hangs += [worker.hang for worker in master.workers.values()]
        return hangs

    # --- the log -----------------------------------------------------------------------------------------------------

    def _open_log(self, facts: MasterFacts | None) -> CollectionGap | None:
        if self._log_option == "none":
            return None
        tail: FileTail | PipeTail
        gap: CollectionGap | None = None
        if self._log_option == "-":
            descriptor = self._stdin_descriptor if self._stdin_descriptor is not None else sys.stdin.fileno()
            tail, self._log_file = PipeTail(descriptor), "-"
        elif self._log_option != "auto":
            tail, self._log_file = FileTail(Path(self._log_option)), self._log_option
        else:
            location = find_log(
                self.master_pid,
                facts.text("errorlog") if facts else None,
                facts.text("chdir") if facts else None,
            )
            if location.why:
                gap = CollectionGap(
                    origin=Origin("log"),
                    at=self._clock.now(),
                    resolution_s=SAMPLE_RESOLUTION_S,
                    master_pid=self.master_pid,
                    what="log",
                    why=location.why,
                    hint=location.hint,
                )
            if location.path is None:
                return gap
            tail, self._log_file = FileTail(location.path), location.shown
        self._log = LiveLog(
            tail,
            self._parser_factory(self._log_file),
            self._clock,
            file=self._log_file,
            poll_s=TICK_S,
            boots=self._boots,
            masters=self._master_starts,
            translate=self._with_outer_pids,
        )
        return gap

    def _with_outer_pids(self, event: Event) -> Event:
        """Turn the pids of a container's log into those seen from here."""
        inner = event.worker.pid if event.worker is not None else event.master_pid
        if inner is not None and (inner not in self._outer_pids or isinstance(event, WorkerBooted)):
            # A new worker's first line mostly comes before the next sample.
            for master_pid in self._masters:
                self._outer_pids.update(self._host.inner_pids(master_pid))
        if not self._outer_pids:
            return event
        worker, master_pid_or_none = event.worker, event.master_pid
        if worker is not None and worker.pid in self._outer_pids:
            worker = dataclasses.replace(worker, pid=self._outer_pids[worker.pid])
        if master_pid_or_none is not None:
            master_pid_or_none = self._outer_pids.get(master_pid_or_none, master_pid_or_none)
        return dataclasses.replace(event, worker=worker, master_pid=master_pid_or_none)

    def _boots(self) -> dict[int, datetime]:
        return {
            identity.pid: self._host.wall_time_of(identity.started_at_s or 0.0)
            for master in self._masters.values()
            for identity in master.workers
        }

    def _master_starts(self) -> dict[int, datetime]:
        return {master.pid: self._host.wall_time_of(master.started_at_s) for master in self._masters.values()}

    # --- gaps --------------------------------------------------------------------------------------------------------

    def _say_once(self, master_pid: int, what: str, why: str, hint: str) -> Iterator[Event]:
        yield from self._once(
            CollectionGap(
                origin=Origin("master"),
                at=self._clock.now(),
                resolution_s=SAMPLE_RESOLUTION_S,
                master_pid=master_pid,
                what=what,
                why=why,
                hint=hint,
            )
        )

    def _once(self, gap: CollectionGap) -> Iterator[Event]:
        key = (gap.what + gap.why, gap.master_pid or 0)
        if key not in self._said:
            self._said.add(key)
            yield gap


def _without_time(settings: MasterSettings) -> MasterSettings:
    return dataclasses.replace(settings, at=None, seq=0)


def _check_log(path: Path) -> None:
    if not path.exists():
        raise LogReadError(f"the log {path} does not exist", "give the file gunicorn logs to, or --log auto")
    if path.is_dir():
        raise LogReadError(f"the log {path} is a folder", "give the file gunicorn logs to, or --log auto")
    if not os.access(path, os.R_OK):
        raise LogReadError(f"the log {path} may not be read by this user", "run with sudo, or --log none")


def _parser(file: str) -> LineParser:
    from gtdiag.parsing.log_parser import LogParser

    parser: LineParser = LogParser(file=file)
    return parser
