"""Folds events, one at a time, into the lives of masters and workers: what a report is drawn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from gtdiag.analysis.blame import BlameTally
from gtdiag.analysis.lives import Death, MasterLife, WorkerLife
from gtdiag.analysis.look import LookReader
from gtdiag.analysis.look_joining import LookedAt, LookJoiner
from gtdiag.analysis.master_startup import MasterStartup
from gtdiag.analysis.observation import Observation, UnownedBootFailure
from gtdiag.analysis.ordering import SecondBuffer
from gtdiag.analysis.ownership import CodeOwnership
from gtdiag.analysis.population import Population
from gtdiag.analysis.stack_tally import StackTally
from gtdiag.model import events
from gtdiag.model.report import Confidence, Request
from gtdiag.rules.rule_set import RuleSet, read_rule_set
from gtdiag.rules.thresholds import threshold


class Fold:
    """The state of an analysis: the population, what is known of the observation, looks not complete yet."""

    def __init__(self, rules: RuleSet | None = None, *, keep_stacks: bool = False) -> None:
        self.stacks = StackTally() if keep_stacks else None
        self.rules = rules or read_rule_set()
        self.population = Population()
        self.observation = Observation()
        self._ownership = CodeOwnership()
        self._looks = LookReader(self._ownership, self.rules.catalog)
        self._second = SecondBuffer()
        self._joiner = LookJoiner(self._ownership, self._looks, self.stacks, self._pid_of)
        self._handlers: dict[type[events.Event], Callable[[Any], None]] = {
            events.ObservationStarted: self._on_observation_started,
            events.ObservationEnded: self._on_observation_ended,
            events.CollectionGap: self.observation.add_gap,
            events.MasterStarted: self._on_master_started,
            events.MasterListening: self._on_master_named,
            events.WorkerClassAnnounced: self._on_worker_class,
            events.MasterSettings: self._on_master_settings,
            events.MasterSignalled: self._on_master_signalled,
            events.MasterShutDown: self._on_master_shut_down,
            events.MasterHalted: self._on_master_halted,
            events.MasterGone: self._on_master_gone,
            events.WorkerBooted: self._on_booted,
            events.WorkerProgressed: self._on_progressed,
            events.WorkerReady: self._on_ready,
            events.WorkerTimedOut: self._on_timed_out,
            events.WorkerSignalled: self._on_signalled,
            events.WorkerExited: self._on_exited,
            events.WorkerExiting: self._on_exiting,
            events.WorkerRecycled: self._on_recycled,
            events.WorkerGracefulTimeout: self._on_graceful_timeout,
            events.WorkerBootFailed: self._on_boot_failed,
            events.WorkersCounted: self._on_workers_counted,
            events.TracebackLogged: self._on_traceback,
            events.KernelOomKilled: self.observation.add_kernel_kill,
            events.HeartbeatSample: self._on_heartbeat,
            events.ProcessSample: self._on_process,
            events.StackSample: self._on_stack,
            events.StartupSample: self._on_startup_sample,
            events.SuspendedSample: self._on_suspended,
            events.RequestSample: self._on_requests,
            events.HostSample: self._on_hosts,
            events.SocketSample: self._on_sockets,
            events.HealthSample: self.observation.health.add,
            events.CgroupSample: self.observation.add_memory,
            events.CpuSample: self._on_cpu,
        }

    def add(self, event: events.Event) -> None:
        """Take the next event."""
        for ordered in self._second.push(event):
            self._apply(ordered)

    def settle(self) -> None:
        """Take in what is held back, so that a report covers everything added until now."""
        for event in self._second.flush():
            self._apply(event)
        self.population.settle()
        self.observation.adopt_host_kills(
            {life.pid for life in self.population.workers} | {master.pid for master in self.population.masters}
        )

    # --- the observation ---------------------------------------------------------------------------

    def _apply(self, event: events.Event) -> None:
        if event.at is not None:
            seen = self.observation
            if not self._is_backlog(event):
                seen.first_at = min(seen.first_at or event.at, event.at)
                seen.last_at = max(seen.last_at or event.at, event.at)
        self._handlers[type(event)](event)

    def _is_backlog(self, event: events.Event) -> bool:
        """A line of a live master's log from before the watch began: it tells of boots, not of incidents of now."""
        started = self.observation.started_at
        if not self.population.live or started is None or event.at is None:
            return False
        return event.origin.source == "log" and event.at < started - timedelta(seconds=event.resolution_s)

    def _on_observation_started(self, event: events.ObservationStarted) -> None:
        seen = self.observation
        seen.kind, seen.files, seen.pid = event.kind, event.files, event.pid
        seen.given_timeout_s = event.timeout_s
        self.population.live = event.kind == "live"
        if event.kind == "live":
            seen.started_at = event.at
            if event.pid is not None:
                self.population.masters.add(MasterLife(pid=event.pid, stream="", live=True))

    def _on_observation_ended(self, event: events.ObservationEnded) -> None:
        for life in self.population.workers:
            self._joiner.finish(life)
        for master in self.population.masters:
            self._joiner.finish(master.startup)
        self.observation.ended = True
        self.observation.end_reason = event.reason

    # --- the master --------------------------------------------------------------------------------

    def _on_master_started(self, event: events.MasterStarted) -> None:
        self.population.start_master(event, event.version)

    def _on_master_named(self, event: events.Event) -> None:
        master = self.population.master_of(event)
        if master is not None:
            master.listening = True

    def _on_worker_class(self, event: events.WorkerClassAnnounced) -> None:
        master = self.population.master_of(event) or self.population.latest_master(event)
        if master is not None:
            master.worker_class = master.worker_class if master.live and master.worker_class else event.worker_class

    def _on_master_settings(self, event: events.MasterSettings) -> None:
        master = self.population.master_of(event)
        if master is None:
            return
        master.live = True
        master.process_started_at = event.started_at or master.process_started_at
        for name in (
            "version",
            "worker_class",
            "workers",
            "timeout_s",
            "graceful_timeout_s",
            "preload",
            "heartbeat_filesystem",
            "python",
            "application",
            "settings_source",
        ):
            value = getattr(event, name)
            if value is not None:
                setattr(master, name, value)
        self._ownership.set_application(event.application, event.working_directory)

    def _on_master_signalled(self, event: events.MasterSignalled) -> None:
        master = self.population.master_of(event)
        if master is not None:
            master.add_signal(event.at, event.signal)

    def _on_master_shut_down(self, event: events.MasterShutDown) -> None:
        master = self.population.master_of(event)
        if master is None or self._is_backlog(event):
            return
        if event.reason:
            master.halted_reason, master.halted_at = event.reason, event.at
        master.add_signal(event.at, "shutdown")
        self.population.end_master(master, event.at)

    def _on_master_halted(self, event: events.MasterHalted) -> None:
        stream = self.population.stream_of(event)
        # The reason comes after the shut-down line, so the master may have ended already.
        named = event.master_pid is not None
        master = self.population.master_of(event) if named else self.population.masters.latest(stream)
        if master is not None and not self._is_backlog(event):
            master.halted_reason, master.halted_at = event.reason, event.at
            if master.ended_at is None:
                self.population.end_master(master, event.at)
        elif master is None:
            self.observation.unowned_boot_failures.append(UnownedBootFailure(event.at, event.reason, stream, None))

    def _on_master_gone(self, event: events.MasterGone) -> None:
        master = self.population.master_of(event)
        if master is not None:
            self.population.end_master(master, event.at)

    # --- a worker's life ---------------------------------------------------------------------------

    def _on_booted(self, event: events.WorkerBooted) -> None:
        if event.worker is None:
            return  # of a damaged recording: no collector and no log line gives a boot without its worker
        life = self.population.boot(event)
        if life.master is not None and not self._is_backlog(event):
            self._joiner.finish(life.master.startup)
            life.master.startup.over_at = life.master.startup.over_at or event.at
        if self._is_backlog(event) and not life.seen_live:
            life.from_backlog = True

    def _on_progressed(self, event: events.WorkerProgressed) -> None:
        life = self._life_of(event)
        if life is not None and life.step != "ready":
            life.step = event.step
            life.startup.add_logged(event.at, event.step)

    def _on_ready(self, event: events.WorkerReady) -> None:
        life = self._life_of(event)
        if life is None or life.ready_at is not None:
            return
        life.ready_at = event.at
        life.step = "ready"
        if life.overdue_at is not None:
            life.recovered_at = event.at
        life.startup_blocked = life.tally.conclude(event.at)
        life.tally = BlameTally()

    def _on_timed_out(self, event: events.WorkerTimedOut) -> None:
        life = self._life_of(event)
        if life is None or life.timed_out:
            return
        life.timed_out = True
        life.timed_out_at = event.at
        self._note(life, event, f"WORKER TIMEOUT (pid:{life.pid})")

    def _on_signalled(self, event: events.WorkerSignalled) -> None:
        life = self._life_of(event)
        if life is None:
            return
        earlier = life.death
        life.death = Death(
            at=earlier.at if earlier and earlier.at else event.at,
            signal=event.signal,
            perhaps_out_of_memory=event.perhaps_out_of_memory,
            seen_in_log=True,
        )
        self._note(life, event, event.wording or f"died of {event.signal}")

    def _on_exited(self, event: events.WorkerExited) -> None:
        life = self._life_of(event)
        if life is None:
            return
        in_log = event.origin.source == "log"
        if not in_log:
            life.gone_at = life.gone_at or event.at
        if life.death is None or (in_log and life.death.signal is None):
            at = life.death.at if life.death and life.death.at else event.at
            life.death = Death(at=at, code=event.code, seen_in_log=in_log)
        if event.code is not None:
            self._note(life, event, f"exited with code {event.code}")

    def _on_exiting(self, event: events.WorkerExiting) -> None:
        life = self._life_of(event)
        if life is not None and not life.exiting:
            life.exiting, life.exiting_at = True, event.at

    def _on_recycled(self, event: events.WorkerRecycled) -> None:
        life = self._life_of(event)
        if life is not None:
            life.recycled = True

    def _on_graceful_timeout(self, event: events.WorkerGracefulTimeout) -> None:
        life = self._life_of(event)
        if life is not None:
            life.graceful_timeout = True

    def _on_boot_failed(self, event: events.WorkerBootFailed) -> None:
        if self._is_backlog(event):
            return
        life = self.population.worker_of(event) if event.worker else self._unexplained_boot(event)
        if life is None:
            stream = self.population.stream_of(event)
            master = self.population.master_of(event) or self.population.latest_master(event)
            self.observation.unowned_boot_failures.append(UnownedBootFailure(event.at, event.reason, stream, master))
        elif life.boot_failure is None:
            life.boot_failure, life.boot_failed_at = event.reason, event.at
            self._note(life, event, event.reason)

    def _on_workers_counted(self, event: events.WorkersCounted) -> None:
        self.population.note_counted(event)
        for traceback in event.tracebacks:
            self.population.forgotten.note_call(
                self._looks.read_traceback(traceback.frames, no_uri_read=False), traceback.workers
            )

    def _unexplained_boot(self, event: events.Event) -> WorkerLife | None:
        """A loading error without a pid belongs to a worker that is starting and of which nothing else is known."""
        starting = [
            life
            for life in self.population.current_workers(self.population.stream_of(event))
            if life.boot_failure is None and life.ready_at is None and not life.timed_out
        ]
        return starting[0] if starting else None

    def _on_traceback(self, event: events.TracebackLogged) -> None:
        if self._is_backlog(event) or not (event.interrupted or event.no_uri_read):
            return
        life = self._life_of(event) if event.worker else self._only_recent_time_out(event)
        if life is None or (not event.interrupted and not life.timed_out):
            return
        look = self._looks.read_traceback(event.frames, event.no_uri_read)
        if look is not None and event.truncated and not event.no_uri_read:
            look = replace(look, confidence=Confidence.MEDIUM)  # frames are missing or were put in order by guessing
        if look is not None:
            life.traceback_look = look
            if self.stacks is not None:
                self.stacks.add_traceback(life, event.frames)
        life.traceback_shows_request = event.kind == "abort" and bool(event.header)
        if event.path is not None:
            life.request = Request(event.method, event.path)
        self._note(life, event, event.header or "the interrupted worker's own traceback")

    def _only_recent_time_out(self, event: events.Event) -> WorkerLife | None:
        """A dump without a pid belongs to the one worker that has just timed out, if there is just one."""
        candidates = [
            life
            for life in self.population.current_workers(self.population.stream_of(event))
            if life.timed_out and life.traceback_look is None and _within(life.timed_out_at, event.at, "log_join_s")
        ]
        return candidates[0] if len(candidates) == 1 else None

    # --- samples -----------------------------------------------------------------------------------

    def _on_heartbeat(self, event: events.HeartbeatSample) -> None:
        life = self._life_of(event)
        if life is None:
            return
        self._joiner.finish(life)
        if event.ever and event.at is not None and self._has_beaten_again(life, event):
            life.looks_in_heartbeat = life.disk_sleeps = 0
            # What it is asked for begins at the last heartbeat; that is reckoned to some milliseconds.
            life.cpu.forget_before(event.at - timedelta(seconds=event.age_s + 1))
            if life.timed_out and not _within(life.timed_out_at, event.at, "abort_grace_s"):
                life.recovered_at = life.recovered_at or event.at
            elif life.ready_at is not None and not life.timed_out:
                life.tally = BlameTally()
            looked_at = life.requests.last_at
            if not life.timed_out and looked_at is not None and looked_at < event.at - timedelta(seconds=event.age_s):
                life.requests.clear()
        life.heartbeat_age_s = event.age_s
        life.heartbeat_ever = event.ever
        life.heartbeat_at = event.at
        timeout_s = life.master.timeout_s if life.master else None
        if event.ever is False and timeout_s and event.age_s > timeout_s and life.overdue_at is None:
            life.overdue_at = event.at

    def _has_beaten_again(self, life: WorkerLife, event: events.HeartbeatSample) -> bool:
        if life.heartbeat_at is None or life.heartbeat_age_s is None or event.at is None:
            return False
        earlier_beat = life.heartbeat_at - timedelta(seconds=life.heartbeat_age_s)
        beat = event.at - timedelta(seconds=event.age_s)
        return (beat - earlier_beat).total_seconds() > 0.2  # both ages are read a few milliseconds apart from `at`

    def _on_process(self, event: events.ProcessSample) -> None:
        master = self._master_looked_at(event)
        if master is not None:
            master.kernel_function = event.wchan
            if event.at is not None and event.master_pid == self.observation.pid:
                self.observation.rhythm.add(event.at)
            self._joiner.finish_if_seen_inside(master)
            return
        life = self._life_of(event)
        if life is None:
            return
        life.rss_bytes = event.rss_bytes
        life.peak_rss_bytes = max(event.peak_rss_bytes or 0, life.peak_rss_bytes or 0, event.rss_bytes)
        life.cpu_percent = event.cpu_percent if event.cpu_percent is not None else life.cpu_percent
        life.kernel_function = event.wchan
        life.thread_count = event.threads or life.thread_count
        life.disk_sleeps += event.state == "D"
        if event.at is None:
            return
        life.first_rss = life.first_rss or (event.at, event.rss_bytes)
        life.last_rss_at = event.at
        life.memory.add(event.at, event.rss_bytes)
        if event.uss_bytes is not None:
            life.pss_bytes, life.uss_bytes = event.pss_bytes, event.uss_bytes
            life.first_uss = life.first_uss or (event.at, event.uss_bytes)
            life.last_uss_at = event.at
        if event.state in _STOPPED_STATES or (event.wchan or "").startswith(_STOPPED_IN):
            life.stopped_at = event.at
        if event.main_thread_ran_s is not None and event.main_thread_waited_s is not None:
            life.cpu.add(event.at, event.main_thread_ran_s, event.main_thread_waited_s)

    def _on_stack(self, event: events.StackSample) -> None:
        life = self._looked_at(event)
        if life is not None:
            self._joiner.add_threads(life, event)

    def _on_startup_sample(self, event: events.StartupSample) -> None:
        life = self._life_of(event)
        if life is not None and life.in_startup:
            self._joiner.add_startup_sample(life, event)

    def _on_suspended(self, event: events.SuspendedSample) -> None:
        life = self._looked_at(event)
        if life is not None:
            self._joiner.add_suspended(life, event)

    def _on_hosts(self, event: events.HostSample) -> None:
        life = self._looked_at(event)
        if life is not None:
            self._joiner.add_hosts(life, event)

    def _on_sockets(self, event: events.SocketSample) -> None:
        life = self._looked_at(event)
        if life is not None:
            self._joiner.add_sockets(life, event)

    def _looked_at(self, event: events.Event) -> LookedAt | None:
        return self._life_of(event) or self._master_looked_at(event)

    def _master_looked_at(self, event: events.Event) -> MasterStartup | None:
        """The start-up of the master that an event without a worker is about."""
        master = self.population.master_of(event) if event.worker is None else None
        return None if master is None else master.startup

    def _on_requests(self, event: events.RequestSample) -> None:
        life = self._life_of(event)
        if life is None:
            return
        aborting = life.timed_out and life.recovered_at is None and not event.requests
        if not aborting:  # the abort ends a request; what matters is what the worker was in when it timed out
            life.requests.add(event.requests, event.at)

    def _pid_of(self, startup: MasterStartup) -> int | None:
        return next((master.pid for master in self.population.masters if master.startup is startup), None)

    def _on_cpu(self, event: events.CpuSample) -> None:
        master = self.population.master_of(event)
        if master is not None:
            master.cpu.add(event)

    # --- finding and noting ------------------------------------------------------------------------

    def _life_of(self, event: events.Event) -> WorkerLife | None:
        """The life an event is about. What a live master's log says of before the watch only tells of boots."""
        if self._is_backlog(event):
            return self._backlog_life_of(event)
        life = self.population.worker_of(event)
        if life is not None and not isinstance(event, _SAMPLES):
            self._joiner.finish(life)
        return life

    def _backlog_life_of(self, event: events.Event) -> WorkerLife | None:
        life = self.population.worker_of(event, create=False)
        if life is None or isinstance(event, (events.WorkerProgressed, events.WorkerReady, events.WorkerRecycled)):
            return life
        if self._ends_in_the_watch(event):
            return life
        if not life.seen_live:
            life.replaced = True  # it timed out, died or left before anybody watched
        return None

    def _ends_in_the_watch(self, event: events.Event) -> bool:
        """Whether a line of just before the watch tells why a worker ends in it: the kill follows the time-out."""
        started = self.observation.started_at
        if started is None or event.at is None or not isinstance(event, _BEFORE_A_KILL):
            return False
        return (started - event.at).total_seconds() <= threshold("abort_grace_s") + threshold("log_join_s")

    def _note(self, life: WorkerLife, event: events.Event, what: str) -> None:
        origin = event.origin
        where = f" ({origin.file}:{origin.line})" if origin.file and origin.line else ""
        when = f"{event.at:%Y-%m-%d %H:%M:%S%z} " if event.at else ""
        life.add_evidence(f"{when}{what}{where}")


_STOPPED_STATES = ("T", "t")
# The freezer of cgroup versions 1 and 2 (a paused container), and a stop by a signal, where the state does not tell.
_STOPPED_IN = ("__refrigerator", "refrigerator", "do_freezer_trap", "do_signal_stop", "do_jobctl_trap")

_BEFORE_A_KILL = (events.WorkerTimedOut, events.TracebackLogged, events.WorkerExiting)
_SAMPLES = (
    events.StackSample,
    events.StartupSample,
    events.SuspendedSample,
    events.RequestSample,
    events.HostSample,
    events.SocketSample,
    events.ProcessSample,
)


def _within(one: datetime | None, other: datetime | None, threshold_name: str) -> bool:
    """Whether two moments are at most a threshold apart; moments that are not known are taken to be."""
    if one is None or other is None:
        return True
    return abs((other - one).total_seconds()) <= threshold(threshold_name)
