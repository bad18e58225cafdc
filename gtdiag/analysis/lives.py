"""The lives of masters and workers as they are put together from events: plain state, no judgement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gtdiag.analysis.blame import BlameTally
from gtdiag.analysis.cpu_time import CpuHistory, GroupCpuHistory, ThreadCpu
from gtdiag.analysis.look import Look
from gtdiag.analysis.master_startup import MasterStartup
from gtdiag.analysis.memory_series import MemorySeries
from gtdiag.analysis.peer_condition import ReceivedBytes
from gtdiag.analysis.requests import RequestTally
from gtdiag.analysis.startup_timeline import StartupTimeline
from gtdiag.model.report import Blocked, Request
from gtdiag.model.stacks import Connection, KernelWait, NamedHost, SuspendedCode, ThreadStack

_MAX_SIGNALS = 64
_MAX_EVIDENCE = 24


@dataclass(slots=True)
class MasterLife:
    """One life of one master: what is known of it, and the signals it was given."""

    pid: int | None
    stream: str
    live: bool = False
    version: str | None = None
    worker_class: str | None = None
    workers: int | None = None
    timeout_s: float | None = None
    graceful_timeout_s: float | None = None
    preload: bool | None = None
    heartbeat_filesystem: str | None = None
    python: str | None = None
    application: str | None = None
    settings_source: str | None = None
    started_at: datetime | None = None
    started_seq: int = -1
    """Where in the stream of events it started: two masters may do so within one second."""
    ended_at: datetime | None = None
    last_seen_at: datetime | None = None
    halted_reason: str | None = None
    halted_at: datetime | None = None
    signals: list[tuple[datetime | None, str]] = field(default_factory=list)
    spawned: int = 0
    listening: bool = False
    """Whether its log says that it listens: the application was loaded by then."""
    process_started_at: datetime | None = None
    cpu: GroupCpuHistory = field(default_factory=GroupCpuHistory)
    startup: MasterStartup = field(default_factory=MasterStartup)

    @property
    def version_major(self) -> int | None:
        """The first number of the version; None when the version is not known."""
        head = (self.version or "").partition(".")[0]
        return int(head) if head.isdecimal() else None

    def add_signal(self, at: datetime | None, name: str) -> None:
        """Remember a signal the master was given; the oldest are forgotten."""
        self.signals.append((at, name))
        del self.signals[:-_MAX_SIGNALS]


@dataclass(frozen=True, slots=True)
class Death:
    """How the master said a worker ended: a signal, or an exit code, or neither (it only disappeared)."""

    at: datetime | None
    signal: str | None = None
    code: int | None = None
    perhaps_out_of_memory: bool = False
    seen_in_log: bool = False


@dataclass(slots=True)
class WorkerLife:
    """One life of one worker, as far as it was seen."""

    pid: int
    stream: str
    master: MasterLife | None = None
    ordinal: int = 0
    ordinal_is_final: bool = False
    """Whether lives before it were forgotten since it was numbered: counting again would give another number."""
    started_at_s: float | None = None
    seen_live: bool = False
    seen_in_log: bool = False
    from_backlog: bool = False
    booted_at: datetime | None = None
    ready_at: datetime | None = None
    step: str | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    timed_out_at: datetime | None = None
    timed_out: bool = False
    exiting_at: datetime | None = None
    exiting: bool = False
    recycled: bool = False
    graceful_timeout: bool = False
    death: Death | None = None
    gone_at: datetime | None = None
    """When its process was first seen to be gone, live."""
    boot_failed_at: datetime | None = None
    boot_failure: str | None = None
    replaced: bool = False
    heartbeat_age_s: float | None = None
    heartbeat_ever: bool | None = None
    heartbeat_at: datetime | None = None
    overdue_at: datetime | None = None
    """When the heartbeat was first seen older than the time-out without a first heartbeat."""
    recovered_at: datetime | None = None
    rss_bytes: int | None = None
    peak_rss_bytes: int | None = None
    first_rss: tuple[datetime, int] | None = None
    last_rss_at: datetime | None = None
    memory: MemorySeries = field(default_factory=MemorySeries)
    cpu_percent: float | None = None
    kernel_function: str | None = None
    threads: tuple[ThreadStack, ...] = ()
    suspended: tuple[SuspendedCode, ...] = ()
    unread: tuple[str, ...] = ()
    """What the latest look could not read of the suspended code."""
    connections: tuple[Connection, ...] = ()
    hosts: tuple[NamedHost, ...] = ()
    waits: tuple[KernelWait, ...] = ()
    received: ReceivedBytes = field(default_factory=ReceivedBytes)
    seen_inside: bool = False
    """Whether its stacks or its suspended code were ever seen: from then on the kernel's side alone says nothing."""
    cpu: CpuHistory = field(default_factory=CpuHistory)
    thread_count: int | None = None
    stopped_at: datetime | None = None
    """When it was last seen stopped (SIGSTOP, a debugger, a frozen cgroup)."""
    looks_in_heartbeat: int = 0
    """How many looks in a row have seen it writing its heartbeat file."""
    disk_sleeps: int = 0
    """In how many samples since its last heartbeat it slept for a disk (state D)."""
    shared_sockets: dict[int, Connection] = field(default_factory=dict)
    """Its outgoing connections that other processes of the same master hold, too, by inode."""
    pss_bytes: int | None = None
    uss_bytes: int | None = None
    first_uss: tuple[datetime, int] | None = None
    last_uss_at: datetime | None = None
    tally: BlameTally = field(default_factory=BlameTally)
    startup_blocked: Blocked | None = None
    """What held the start-up, kept when the worker went on after all."""
    traceback_look: Look | None = None
    traceback_shows_request: bool = False
    request: Request | None = None
    """The request that the worker's own traceback in the log names."""
    requests: RequestTally = field(default_factory=RequestTally)
    startup: StartupTimeline = field(default_factory=StartupTimeline)
    evidence: list[str] = field(default_factory=list)

    @property
    def in_startup(self) -> bool:
        """Whether it is not known to have got ready."""
        return self.ready_at is None and self.heartbeat_ever is not True

    @property
    def ended(self) -> bool:
        """Whether the worker is known to be gone."""
        return self.death is not None or self.replaced or (self.exiting and not self.timed_out)

    @property
    def ended_at(self) -> datetime | None:
        """When the worker ended, as closely as was seen."""
        if self.death is not None and self.death.at is not None:
            return self.death.at
        return self.exiting_at or (self.timed_out_at if self.replaced else None) or self.boot_failed_at

    def leading_request(self) -> Request | None:
        """The request that matters most: what the log says it was interrupted in, else what its memory showed."""
        seen = self.requests.leading()
        if self.request is None or seen is None:
            return self.request or seen
        same_path = _without_query(self.request.path) == _without_query(seen.path)
        # gunicorn's own line names no method.
        return seen if same_path and self.request.method in (None, seen.method) else self.request

    def last_beat_at(self) -> datetime | None:
        """When it last sent a heartbeat as far as was seen live; before its first one, when it booted."""
        if self.heartbeat_at is None or self.heartbeat_age_s is None:
            return None
        return self.heartbeat_at - timedelta(seconds=self.heartbeat_age_s)

    def cpu_since_last_heartbeat(self) -> ThreadCpu | None:
        """What its main thread got of a CPU since then; None where that was not sampled."""
        begin, end = self.last_beat_at(), self.timed_out_at or self.last_seen_at
        if begin is None or end is None:
            return None
        # A log's stamp is cut to the second: the last sample may be a little after it.
        return self.cpu.between(begin, end + timedelta(seconds=1))

    def add_evidence(self, text: str) -> None:
        """Keep one line of evidence, once, up to a bound."""
        if text not in self.evidence and len(self.evidence) < _MAX_EVIDENCE:
            self.evidence.append(text)

    def memory_sampled_s(self) -> float:
        """Over how many seconds the memory was sampled."""
        if self.first_rss is None or self.last_rss_at is None:
            return 0.0
        return (self.last_rss_at - self.first_rss[0]).total_seconds()

    def growth_bytes_per_s(self) -> float | None:
        """Growth of the resident memory over the time it was sampled; None under ten seconds of samples."""
        passed_s = self.memory_sampled_s()
        if self.first_rss is None or self.rss_bytes is None or passed_s < 10.0:
            return None
        return round((self.rss_bytes - self.first_rss[1]) / passed_s, 1)


def _without_query(path: str | None) -> str | None:
    return None if path is None else path.partition("?")[0]
