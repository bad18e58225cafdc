"""A running gunicorn master to one stream of events, for as long as the watch lasts.

Heartbeat and memory of every worker at each interval, log lines as they arrive, deep looks where sampling.py says so.
The watch only reads: it never signals, stops or writes to what it watches.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gtdiag.collectors.clock import Clock, SystemClock
from gtdiag.collectors.container_pids import ContainerPids
from gtdiag.collectors.host import Host, ThisHost, looking_threads
from gtdiag.collectors.live_log import LineParser, LiveLog, ParserWhenNeeded
from gtdiag.collectors.log_choice import check_log, choose_log
from gtdiag.collectors.look_queue import LookQueue
from gtdiag.collectors.looks import SAMPLE_RESOLUTION_S
from gtdiag.collectors.machine_samples import CGROUP_AT_ONCE, MachineSampler
from gtdiag.collectors.master import MasterFacts, master_events
from gtdiag.collectors.own_descriptors import descriptors_to_spare
from gtdiag.collectors.own_memory import warn_of_little_memory
from gtdiag.collectors.own_replica import OwnReplica, read_host_name
from gtdiag.collectors.permissions import say_rerun
from gtdiag.collectors.processes import WorkerProcess
from gtdiag.collectors.sampling import thresholds_for
from gtdiag.collectors.startup_glimpses import TICK_BUDGET_S
from gtdiag.collectors.watched import Hang, WatchedMaster, WatchedWorker
from gtdiag.errors import NoSuchProcessError
from gtdiag.gunicorn.heartbeat import major_of
from gtdiag.gunicorn.masters import find_master_of
from gtdiag.model.events import (
    CollectionGap,
    Event,
    HealthSample,
    HeartbeatSample,
    MasterGone,
    MasterSettings,
    ObservationEnded,
    ObservationStarted,
    WorkerBooted,
    WorkerExited,
    WorkerReady,
)
from gtdiag.model.identity import Origin

if TYPE_CHECKING:
    from gtdiag.collectors.health_probe import HealthProbe

DEFAULT_INTERVAL_S = 1.0
TICK_S = 0.2
"""How often the log is polled and deadlines are checked; a poll of a quiet log costs about 10 microseconds."""

SETTINGS_EVERY_S = 10.0
"""At most this often the settings are read again, when the set of workers has changed (HUP, TTIN, TTOU)."""

LAST_LOOKS_S = 2.0
"""How long the end of the watch waits for looks that are under way."""

LAST_LOOK_AT_DEAD_S = 0.1
"""How long the news of a worker's end waits for a look at it, so that the two come in order."""

BORN_HERE_S = 2.0
"""A worker first seen this soon after its start is watched from its start, so its first heartbeat is the first."""


class LiveCollector:
    """Watches one master, and the masters that USR2 makes of it.

    `pid`: the master's or a worker's. `log`: "auto" (find it), "none", "-" (standard input) or a path.
    `interval_s`: between two samples of a worker. `for_s`: end after so many seconds.
    `health_url`: ask this URL each second and yield the answers.
    `redact`: do not even read the values in the queries of requests.
    `sparing`: workers that nobody worries about are sampled more rarely (sampling.py); their end is noticed at each
    interval all the same, and a hang just as soon.
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
        sparing: bool = False,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self.master_pid = find_master_of(pid) if host is None else pid
        self._host: Host = host or ThisHost(self._clock, redact=redact)
        self._log_option = log
        check_log(log)
        self._interval_s = interval_s
        self._for_s = for_s
        self._ends_s = float("inf")
        self._sparing = sparing
        self._interval = 0
        """The number of the interval."""
        self._pool = pool
        self._stdin_descriptor = stdin_descriptor
        self._parser_factory = parser_factory or ParserWhenNeeded
        self._masters: dict[int, WatchedMaster] = {}
        self._log: LiveLog | None = None
        self._log_file: str | None = None
        self._stop_reason: str | None = None
        self._called: tuple[socket.socket, socket.socket] | None = None
        """Where `stop` wakes a watch that waits."""
        self._step_said_s = 0.0
        self._said: set[tuple[str, int]] = set()
        try:
            started_at_s = self._host.started_at_s(self.master_pid)
        except ProcessLookupError:
            raise NoSuchProcessError(f"no process with pid {self.master_pid}") from None
        self._masters[self.master_pid] = WatchedMaster(self.master_pid, started_at_s)
        self._machine = MachineSampler(self._host, self._clock, interval_s)
        self._looks = LookQueue(self._host, self._clock, self._masters)
        self._pids = ContainerPids(self._host, self._masters)
        self._health = _health_probe(health_url, self._clock) if health_url is not None else None

    def stop(self, reason: str = "interrupted") -> None:
        """End the watch soon; safe to call from a signal handler or another thread."""
        self._stop_reason = reason
        if self._called is not None:
            with contextlib.suppress(OSError):
                self._called[1].send(b"!")

    def events(self) -> Iterator[Event]:
        """Yield everything that is seen, numbered in order of arrival; the last one is ObservationEnded."""
        for seq, event in enumerate(self._watch()):
            yield dataclasses.replace(event, seq=seq)

    # --- the loop ----------------------------------------------------------------------------------------------------

    def _watch(self) -> Iterator[Event]:
        own_pool = self._pool is None
        pool = self._pool or ThreadPoolExecutor(max_workers=looking_threads(), thread_name_prefix="look")
        began_s = self._clock.monotonic()
        self._ends_s = float("inf") if self._for_s is None else began_s + self._for_s
        if self._sparing and descriptors_to_spare():  # without, it polls
            with contextlib.suppress(OSError):
                self._called = socket.socketpair()
                self._called[1].setblocking(False)
        try:
            yield from self._begin()
            if self._health is not None:
                self._health.start()
            due_s = began_s
            while True:
                now_s = self._clock.monotonic()
                if self._log is not None:
                    for event in self._log.poll():
                        self._looks.look_soon_after(event)
                        yield event
                        yield from self._admit_soon(event)
                yield from self._probes()
                yield from self._looks.finished_looks()
                yield from self._see_clock_steps()
                if now_s >= due_s:
                    yield from self._sample()
                    # A machine that stood still does not have to catch up on missed intervals.
                    due_s = max(due_s + self._interval_s, now_s)
                else:
                    yield from self._see_deaths()
                yield from self._sample_the_no_longer_calm()
                yield from self._glimpse_at_startups()
                self._looks.start_looks(pool)
                reason = self._reason_to_end()
                if reason is not None:
                    break
                self._pause(due_s)
            yield from self._end(reason)
        finally:
            if self._called is not None:
                for end in self._called:
                    end.close()
            if own_pool:
                pool.shutdown(wait=False, cancel_futures=True)
            if self._health is not None:
                self._health.stop()
            self._host.close()

    def _pause(self, due_s: float) -> None:
        """Until there is something to do; not past the next sample, since a tick late each time would add up."""
        now_s = self._clock.monotonic()
        listened = self._listened()
        if listened is None:
            self._clock.sleep(max(0.01, min(TICK_S, self._interval_s, due_s - now_s)))
            return
        safe_until_s = [worker.safe_until_s for master in self._masters.values() for worker in master.workers.values()]
        self._clock.wait(max(0.01, min(due_s, self._ends_s, *safe_until_s) - now_s), listened)
        too_soon_s = TICK_S - (self._clock.monotonic() - now_s)
        if too_soon_s > 0 and self._clock.monotonic() < due_s - too_soon_s and self._stop_reason is None:
            # A log with a line each millisecond is read as often as one that has to be polled.
            self._clock.wait(too_soon_s, listened[:1])

    def _listened(self) -> list[int] | None:
        """While nothing has to be polled: the descriptors that tell of news, the first of them that of `stop`."""
        if self._called is None or self._health is not None or not self._masters or self._looks.under_way():
            return None
        for master in self._masters.values():
            if not master.workers or not all(worker.calm for worker in master.workers.values()):
                return None
        stop = self._called[0].fileno()
        if self._log is None:
            return [stop]
        news = self._log.news()
        return None if news is None else [stop, news]

    def _see_clock_steps(self) -> Iterator[Event]:
        """Said each time: what the log says of a time, and what this report says, differ from now on."""
        stepped_s = self._clock.stepped_s()
        step_s, self._step_said_s = stepped_s - self._step_said_s, stepped_s
        if step_s:
            yield CollectionGap(
                origin=Origin("master"),
                at=self._clock.now(),
                resolution_s=TICK_S,
                master_pid=self.master_pid,
                what="clock",
                why=f"the machine's clock was set {'back' if step_s < 0 else 'forward'} by {abs(step_s):.1f} s during "
                f"the watch; times from then on are those of the clock as it went before",
                hint="chronyc tracking, or timedatectl timesync-status; pausing a virtual machine does it, too",
            )

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
        yield from warn_of_little_memory(self._host.own_memory(), self._clock, self.master_pid)
        yield from self._find_successors(master)
        # The workers first: which of the old log lines matter depends on who lives.
        for watched in list(self._masters.values()):
            yield from self._update_workers(watched)
            watched.settings_stale = False  # they have just been read

    def _end(self, reason: str) -> Iterator[Event]:
        wait_for([future for hang in self._looks.under_way() for future in hang.futures], timeout=LAST_LOOKS_S)
        yield from self._probes()
        yield from self._looks.finished_looks()
        yield from self._sample_the_calm()
        if self._log is not None:
            yield from self._log.close()
        yield ObservationEnded(
            origin=Origin("master"),
            at=self._clock.now(),
            resolution_s=SAMPLE_RESOLUTION_S,
            master_pid=self.master_pid,
            reason=reason,
        )

    def _reason_to_end(self) -> str | None:
        if self._stop_reason is not None:
            return self._stop_reason
        if not self._masters:
            return "master_gone"
        if self._clock.monotonic() >= self._ends_s:
            return "for"
        return None

    # --- samples -----------------------------------------------------------------------------------------------------

    def _sample(self) -> Iterator[Event]:
        self._interval += 1
        yield from self._machine.kernel_kills()
        for master in list(self._masters.values()):
            if not self._host.is_alive(master.pid, master.started_at_s):
                yield from self._lose_master(master)
                continue
            yield from self._update_workers(master)
            yield from self._settings_events(master)
            yield from self._find_successors(master)
            for event in self._machine.cgroup(master):
                yield from self._once(event) if isinstance(event, CollectionGap) else (event,)
            workers = list(master.workers.values())
            every = max(1, int(master.thresholds.calm_pause_s / self._interval_s))
            if self._interval % every == 0 or not (workers and all(worker.calm for worker in workers)):
                yield from self._machine.cpu(master)
            sample = self._host.process(master.pid, None, master.pid, with_wchan=not workers, brief=bool(workers))
            if sample is not None:
                yield sample
            for worker in workers:
                if (
                    not worker.calm
                    or (self._interval + worker.number) % every == 0
                    or self._host.has_moved(worker.process)
                    or not self._is_safe(master, worker, self._interval_s)
                ):
                    yield from self._sample_worker(master, worker)

    def _is_safe(self, master: WatchedMaster, worker: WatchedWorker, seconds: float) -> bool:
        """Whether a calm worker's heartbeat is young for so long, by a glance where the last one does not tell."""
        now_s = self._clock.monotonic()
        if worker.safe_until_s <= now_s + seconds:
            heartbeat = self._host.heartbeat(worker.process, master.version_major)
            if heartbeat is None:
                return False
            worker.take_heartbeat(heartbeat, now_s, master.thresholds)
        return worker.safe_until_s > now_s

    def _sample_the_no_longer_calm(self) -> Iterator[Event]:
        """Those whose heartbeat has just become stale: the look that follows is read beside its age."""
        for master in self._masters.values():
            for worker in master.workers.values():
                if worker.calm and not self._is_safe(master, worker, 0.0):
                    yield from self._sample_worker(master, worker)

    def _sample_the_calm(self) -> Iterator[Event]:
        """At the end: what the report says of them is to be as of now."""
        for master in self._masters.values():
            for worker in master.workers.values():
                if worker.calm:
                    yield from self._sample_worker(master, worker)

    def _update_workers(self, master: WatchedMaster) -> Iterator[Event]:
        try:
            calm = {identity for identity, worker in master.workers.items() if worker.calm}
            found = {process.id: process for process in self._host.workers(master.pid, calm)}
        except ProcessLookupError:
            return  # the next sample sees that the master is gone
        except PermissionError:
            found = {}
        for identity in [identity for identity in master.workers if identity not in found]:
            yield from self._lose_worker(master, master.workers[identity])
        fresh = [process for identity, process in found.items() if identity not in master.workers]
        if fresh and self._log is not None:
            # Now: the log may first name a worker when it has been killed, and its pids went with it.
            self._pids.read(master.pid)
        for process in fresh:
            yield self._admit(master, process)
        if self._host.heartbeats_denied(master.pid):
            yield from self._say_once(
                master.pid,
                "heartbeat",
                "the descriptor tables of the workers may not be read by this user",
                say_rerun(master.pid),
            )
        now_s = self._clock.monotonic()
        if master.workers:
            if master.without_workers_since_s is not None:
                master.hang.futures = []  # of a start-up that is over
                master.hang = Hang()
            master.without_workers_since_s = None
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

    def _admit(self, master: WatchedMaster, process: WorkerProcess) -> Event:
        started_at_s = process.id.started_at_s or 0.0
        booted_at = self._host.wall_time_of(started_at_s)
        age_s = (self._clock.now() - booted_at).total_seconds()
        born_here = not master.first_seen or age_s <= BORN_HERE_S
        master.workers[process.id] = WatchedWorker(
            process=process, watched_from_start=born_here, number=len(master.workers)
        )
        master.settings_stale = True
        return WorkerBooted(
            origin=Origin("process"),
            at=booted_at,
            resolution_s=0.02,
            worker=process.id,
            master_pid=master.pid,
        )

    def _lose_worker(
        self, master: WatchedMaster, worker: WatchedWorker, resolution_s: float | None = None
    ) -> Iterator[Event]:
        del master.workers[worker.process.id]
        yield from self._looks.finished_look(worker.hang, wait_s=LAST_LOOK_AT_DEAD_S)
        self._host.forget(worker.process.id)
        yield WorkerExited(
            origin=Origin("process"),
            at=self._clock.now(),
            resolution_s=self._interval_s if resolution_s is None else resolution_s,
            worker=worker.process.id,
            master_pid=master.pid,
            code=None,
        )
        master.cgroup_at_s = CGROUP_AT_ONCE  # if the kernel killed it, its count has risen
        master.settings_stale = True

    def _lose_master(self, master: WatchedMaster) -> Iterator[Event]:
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

    def _sample_worker(self, master: WatchedMaster, worker: WatchedWorker) -> Iterator[Event]:
        identity = worker.process.id
        heartbeat = self._host.heartbeat(worker.process, master.version_major)
        at, now_s = self._clock.now(), self._clock.monotonic()
        if heartbeat is not None:
            worker.take_heartbeat(heartbeat, now_s, master.thresholds)
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
        else:
            worker.safe_until_s = now_s
        suspicious = worker.is_suspicious(now_s)
        brief = not suspicious and worker.safe_until_s > now_s
        worker.calm = self._sparing and brief
        sample = self._host.process(identity.pid, identity, master.pid, with_wchan=suspicious, brief=brief)
        if sample is not None:
            yield sample

    def _ready(self, master: WatchedMaster, worker: WatchedWorker, at: datetime, age_s: float) -> Event:
        """The first heartbeat: at the latest `age_s` ago, at the earliest just after the sample before."""
        beat_at = at - timedelta(seconds=min(age_s, self._interval_s))
        return WorkerReady(
            origin=Origin("heartbeat"),
            at=beat_at,
            resolution_s=self._interval_s,
            worker=worker.process.id,
            master_pid=master.pid,
        )

    # --- settings, successors ----------------------------------------------------------------------------------------

    def _read_facts(self, master: WatchedMaster) -> MasterFacts | None:
        master.settings_read_at_s = self._clock.monotonic()
        try:
            facts = self._host.master(master.pid)
        except (ProcessLookupError, PermissionError):
            return master.facts
        master.facts = facts
        master.version_major = major_of(facts.version)
        thresholds = thresholds_for(facts.number("timeout"), facts.text("worker_class"))
        if thresholds != master.thresholds:
            master.thresholds = thresholds
            for worker in master.workers.values():
                worker.safe_until_s = float("-inf")
        return facts

    def _settings_events(self, master: WatchedMaster) -> Iterator[Event]:
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

    def _wall_start(self, master: WatchedMaster) -> datetime:
        # Reckoned once: the clocks' last digits differ from one reading to the next.
        if master.started_at is None:
            master.started_at = self._host.wall_time_of(master.started_at_s)
        return master.started_at

    def _find_successors(self, master: WatchedMaster) -> Iterator[Event]:
        strangers = self._host.strangers(master.pid)
        if not strangers:
            return
        if all(pid in self._masters for pid in strangers):
            return
        for pid in self._host.successors(master.pid):
            if pid in self._masters:
                continue
            try:
                successor = WatchedMaster(pid, self._host.started_at_s(pid), first_seen=False)
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

    # --- the log -----------------------------------------------------------------------------------------------------

    def _open_log(self, facts: MasterFacts | None) -> CollectionGap | None:
        chosen = choose_log(self._log_option, self.master_pid, facts, self._stdin_descriptor)
        if chosen.tail is not None and chosen.shown is not None:
            self._log_file = chosen.shown
            self._log = LiveLog(
                chosen.tail,
                self._parser_factory(chosen.shown),
                self._clock,
                file=chosen.shown,
                poll_s=TICK_S,
                boots=self._boots,
                masters=self._master_starts,
                translate=self._pids.translate,
                accept=OwnReplica(read_host_name(self.master_pid), lambda: self._masters.keys()).accept,
            )
        if not chosen.why:
            return None
        return CollectionGap(
            origin=Origin("log"),
            at=self._clock.now(),
            resolution_s=SAMPLE_RESOLUTION_S,
            master_pid=self.master_pid,
            what="log",
            why=chosen.why,
            hint=chosen.hint,
        )

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


def _health_probe(url: str, clock: Clock) -> HealthProbe:
    from gtdiag.collectors.health_probe import HealthProbe  # http.client and ssl: only where they are asked for

    return HealthProbe(url, clock)
