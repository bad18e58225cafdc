"""The report: what an analysis concluded, field for field as the published JSON has it. Renderers compute nothing.

Times are aware datetimes, durations seconds (`_s`), sizes bytes (`_bytes`). None: not observed; `gaps` says why.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

REPORT_SCHEMA = "gtdiag.report/1"


class IncidentKind(str, enum.Enum):
    """What happened to one worker (or the master)."""

    WORKER_TIMEOUT = "worker_timeout"
    STARTUP_HANG = "startup_hang"
    OOM_KILL = "oom_kill"
    EXTERNAL_KILL = "external_kill"
    WORKER_CRASH = "worker_crash"
    BOOT_FAILURE = "boot_failure"
    WORKER_EXIT = "worker_exit"
    MASTER_HANG = "master_hang"


class PatternKind(str, enum.Enum):
    """What several incidents, or the course of time, show together."""

    RESTART_LOOP = "restart_loop"
    STARTUP_CONTENTION = "startup_contention"
    SILENT_STARTUP_HANG = "silent_startup_hang"
    BLOCKING_CALL_IN_EVENT_LOOP = "blocking_call_in_event_loop"
    MEMORY_GROWTH = "memory_growth"
    MEMORY_LIMIT = "memory_limit"
    MISLEADING_OOM_MESSAGE = "misleading_oom_message"
    POOL_EXHAUSTED = "pool_exhausted"
    SLOW_STARTUP = "slow_startup"
    IDLE_CLIENT = "idle_client"
    CPU_STARVATION = "cpu_starvation"
    SLOW_HEARTBEAT_DISK = "slow_heartbeat_disk"
    SHARED_SOCKET = "shared_socket"
    FORK_INHERITED_LOCK = "fork_inherited_lock"
    DRAIN_TIMEOUT = "drain_timeout"
    GRACEFUL_TIMEOUT_KILL = "graceful_timeout_kill"
    GROUP_STALL = "group_stall"


class Category(str, enum.Enum):
    """What kind of call a worker was blocked in."""

    DATABASE = "database"
    CACHE = "cache"
    BROKER = "broker"
    HTTP = "http"
    DNS = "dns"
    ROUTER = "router"
    IMPORT = "import"
    MODEL_LOAD = "model_load"
    FILESYSTEM = "filesystem"
    LOCK = "lock"
    SUBPROCESS = "subprocess"
    SLEEP = "sleep"
    CPU = "cpu"
    NETWORK = "network"
    UNKNOWN = "unknown"


class Confidence(str, enum.Enum):
    """How sure a finding is; `high` must be right."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Phase(str, enum.Enum):
    """Where in its life a worker is."""

    STARTUP = "startup"
    SERVING = "serving"
    EXITED = "exited"


class KilledBy(str, enum.Enum):
    """Who ended a worker."""

    GUNICORN = "gunicorn"
    KERNEL_OOM = "kernel_oom"
    EXTERNAL = "external"
    NONE = "none"
    UNKNOWN = "unknown"


class WorkerEnd(str, enum.Enum):
    """How a worker's life ended."""

    RUNNING = "running"
    TIMEOUT = "timeout"
    SIGKILL = "sigkill"
    OOM = "oom"
    EXIT = "exit"
    BOOT_FAILURE = "boot_failure"
    SIGNAL = "signal"


class Owner(str, enum.Enum):
    """Whose code a frame is."""

    APP = "app"
    LIBRARY = "library"
    STDLIB = "stdlib"
    GUNICORN = "gunicorn"


class How(str, enum.Enum):
    """By which evidence a blame was found."""

    ASYNCIO_TASK = "asyncio_task"
    GREENLET = "greenlet"
    THREAD = "thread"
    EXECUTOR = "executor"
    LOG_TRACEBACK = "log_traceback"
    SOCKET = "socket"
    KERNEL = "kernel"


@dataclass(frozen=True, slots=True)
class StackFrame:
    """A frame of a blame's stack, with its owner."""

    function: str
    file: str
    line: int | None
    owner: Owner


@dataclass(frozen=True, slots=True)
class WaitingOn:
    """What the kernel or the interpreter says the call waits for.

    `kind`: socket, dns, lock, file_lock, child, pipe, sleep, disk, cpu, event_loop or unknown.
    `condition`: how the peer is: unreachable, connecting, mute (connected, not a byte came back), silent (answered
    before), slow (moving), closed_by_peer, not_reading, unread (its answer has not been read), not_connected, or
    own_pool (no peer: all connections of the caller's own pool are in use).
    `process_*`: who is at the other end of a pipe or unix socket, or the child; `file`: what is read, or locked.
    `bytes_sent`, `bytes_received`, `last_*_s` (seconds before the look) and `retransmits` are the kernel's figures of
    the connection; `last_received_s` counts from the connect where nothing was received.
    """

    kind: str
    peer: str | None = None
    state: str | None = None
    service: str | None = None
    condition: str | None = None
    peer_name: str | None = None
    process_name: str | None = None
    process_pid: int | None = None
    system_call: str | None = None
    file: str | None = None
    bytes_sent: int | None = None
    bytes_received: int | None = None
    last_sent_s: float | None = None
    last_received_s: float | None = None
    retransmits: int | None = None
    next_retransmit_s: float | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """The blame: the call a worker was blocked in, and the proof.

    `call` is the innermost application function, `path` the application functions from the outermost to it;
    `library` and `library_call` are what that function called. `seconds` is how long the call was seen to block,
    `share` that time over the time the worker was observed in this phase, `samples` how many looks saw it.
    `rule` is the id of the rule that gave the category.
    """

    category: Category
    call: str | None
    file: str | None
    line: int | None
    path: tuple[str, ...]
    library: str | None
    library_call: str | None
    waiting_on: WaitingOn | None
    seconds: float | None
    share: float | None
    samples: int
    confidence: Confidence
    how: How
    stack: tuple[StackFrame, ...]
    rule: str | None = None
    kernel_agrees: bool | None = None
    """Whether the kernel shows the wait that the stack says; None where it does not tell."""
    evidence: tuple[str, ...] = ()
    """What supports it, and what speaks against it, in words."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request a worker was handling. `seconds`: for at least so long; `client`: the peer's address."""

    method: str | None
    path: str | None
    seconds: float | None = None
    client: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """A worker's memory, and the limit of its cgroup."""

    rss_bytes: int | None = None
    peak_rss_bytes: int | None = None
    limit_bytes: int | None = None
    growth_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class MemoryPoint:
    """A worker's resident memory at one moment."""

    at: datetime
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class StartupStep:
    """Where a part of a start-up's time went.

    `kind`: "import" (`name`: the top-level package whose module was being run), "application" or "lifespan" (the
    application's innermost function, awaited ones too), "server" (gunicorn or the server in it), "unseen" (before the
    first look) or "other". `samples`: how many looks saw it; 0: from the log's own steps. `resolution_s`: how exact.
    """

    name: str
    kind: str
    seconds: float
    samples: int
    resolution_s: float


@dataclass(frozen=True, slots=True)
class Worker:
    """One life of one worker. `phase` is None where a log does not tell if its start-up was over.

    `end_signal` names the signal it died of, `end_code` its exit code, where known.
    """

    pid: int
    ordinal: int
    master_pid: int | None
    phase: Phase | None
    booted_at: datetime | None
    ready_at: datetime | None
    startup_s: float | None
    ended_at: datetime | None
    end: WorkerEnd
    end_signal: str | None = None
    end_code: int | None = None
    heartbeat_age_s: float | None = None
    first_heartbeat_seen: bool | None = None
    rss_bytes: int | None = None
    peak_rss_bytes: int | None = None
    growth_bytes_per_s: float | None = None
    cpu_percent: float | None = None
    startup_step: str | None = None
    """How far the start-up came, where the log or the heartbeat tells: "booted", "imported", "lifespan", "ready"."""
    request: Request | None = None
    blocked: Blocked | None = None
    startup_steps: tuple[StartupStep, ...] = ()
    """Where the time of its start-up went, in order; empty where that was not seen."""
    requests: tuple[Request, ...] = ()
    """Everything it was handling when it was last looked at, the longest first."""
    replica: str | None = None
    """The replica that it belongs to, where logs name or tell apart several (host, pod, container, unit, file)."""
    memory_points: tuple[MemoryPoint, ...] = ()
    """Its resident memory over time, thinned to at most 33 points however long it was watched."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something went wrong with one worker. `resolved_at`: it went on by itself."""

    id: str
    kind: IncidentKind
    pid: int | None
    ordinal: int | None
    master_pid: int | None
    at: datetime | None
    resolved_at: datetime | None
    phase: Phase | None
    killed_by: KilledBy
    summary: str
    blocked: Blocked | None = None
    request: Request | None = None
    memory: Memory | None = None
    evidence: tuple[str, ...] = ()
    replica: str | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """What several incidents show together; fields that do not belong to the kind are None."""

    kind: PatternKind
    summary: str
    confidence: Confidence
    pids: tuple[int, ...] = ()
    master_pid: int | None = None
    cycles: int | None = None
    period_s: float | None = None
    category: Category | None = None
    call: str | None = None
    of_workers: int | None = None
    evidence: tuple[str, ...] = ()
    coroutine: str | None = None
    """The `async def` that makes the synchronous call (blocking_call_in_event_loop), where it is known."""
    replica: str | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do: a rule's remedy, why it applies here, and how to do it (Markdown)."""

    id: str
    title: str
    why: str
    how: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One or two sentences to paste into a chat, how sure they are, and what to do."""

    summary: str
    confidence: Confidence
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be observed, why, and what would change that."""

    what: str
    why: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """What the report is about: a live master, logs, or a recording."""

    kind: str  # "live" | "log" | "recording"
    pid: int | None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GunicornFacts:
    """The master as it was observed. In a log with several masters: the last one; `Report.masters` has them all."""

    version: str | None = None
    master_pid: int | None = None
    worker_class: str | None = None
    workers: int | None = None
    timeout_s: float | None = None
    graceful_timeout_s: float | None = None
    preload: bool | None = None
    python: str | None = None
    application: str | None = None
    settings_source: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stream: str = ""
    """The replica the master belongs to: what workers, incidents and patterns call `replica`; "" where there is one."""


@dataclass(frozen=True, slots=True)
class KernelOomRecord:
    """An out-of-memory kill as the kernel recorded it; `worker` is False when it was not one of gunicorn's workers."""

    at: datetime | None
    pid: int | None
    process: str | None
    worker: bool


@dataclass(frozen=True, slots=True)
class HealthOutage:
    """Probes of the health endpoint in a row that were not answered: the first, the last, how many, and the reason."""

    start: datetime | None
    end: datetime | None
    probes: int
    error: str


@dataclass(frozen=True, slots=True)
class Health:
    """How the health endpoint answered during the watch. An answer is a status below 400.

    `first_answer_after_s`: since the master's start; None where it answered before anybody asked, or never.
    """

    url: str
    probes: int
    answered: int
    median_latency_s: float | None
    worst_latency_s: float | None
    first_answer_after_s: float | None
    outages: tuple[HealthOutage, ...] = ()


@dataclass(frozen=True, slots=True)
class Period:
    """First and last moment the report covers."""

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Count:
    """How often something was seen."""

    what: str
    number: int


@dataclass(frozen=True, slots=True)
class FleetSource:
    """A source in the report: where it comes from and how much of it is affected."""

    host: str
    deployment: str | None
    kind: str
    files: tuple[str, ...]
    gunicorn: GunicornFacts
    period: Period
    workers: int
    lives: int
    incidents: int
    affected_workers: int
    first_at: datetime | None
    last_at: datetime | None
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FleetCause:
    """One cause over all hosts, ranked by the workers it affects.

    `kinds` and `peers` count incidents; `examples` are the ids of the report's incidents that stand for it.
    `workers` of `of_workers` were affected, on `hosts` (their names) of `of_hosts`.
    """

    id: str
    summary: str
    category: Category | None
    call: str | None
    library: str | None
    kinds: tuple[Count, ...]
    incidents: int
    workers: int
    of_workers: int
    hosts: tuple[str, ...]
    of_hosts: int
    deployments: tuple[str, ...]
    first_at: datetime | None
    last_at: datetime | None
    in_startup: int
    resolved: int
    longest_s: float | None
    peers: tuple[Count, ...]
    confidence: Confidence
    examples: tuple[str, ...]

    @property
    def leading_kind(self) -> IncidentKind:
        """The kind of most of its incidents."""
        return IncidentKind(self.kinds[0].what)


@dataclass(frozen=True, slots=True)
class FleetExample:
    """Which host an incident of the report happened on: pids alone do not tell."""

    incident: str
    host: str
    deployment: str | None
    cause: str


@dataclass(frozen=True, slots=True)
class UnreadSource:
    """A source that could not be read, and why; the others were."""

    files: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """What many sources show together. `incidents_left_out`: how many of `incidents` the report only counts."""

    hosts: int
    workers: int
    incidents: int
    incidents_left_out: int
    deployments: tuple[str, ...]
    causes: tuple[FleetCause, ...]
    sources: tuple[FleetSource, ...]
    examples: tuple[FleetExample, ...]
    unread: tuple[UnreadSource, ...] = ()

    def host_of(self, incident_id: str) -> str:
        """The host of an incident of the report; empty where it is not known."""
        return next((one.host for one in self.examples if one.incident == incident_id), "")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything an analysis concluded."""

    gtdiag_version: str
    source: Source
    gunicorn: GunicornFacts
    period: Period
    workers: tuple[Worker, ...]
    incidents: tuple[Incident, ...]
    patterns: tuple[Pattern, ...]
    verdict: Verdict
    gaps: tuple[Gap, ...]
    masters: tuple[GunicornFacts, ...] = ()
    kernel_oom_kills: tuple[KernelOomRecord, ...] = ()
    health: Health | None = None
    """Only where `watch --health URL` asked for it."""
    fleet: Fleet | None = None
    """Only where many sources were analyzed together: the causes over all hosts."""
    schema: str = REPORT_SCHEMA
