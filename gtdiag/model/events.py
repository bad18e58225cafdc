"""Everything that can be seen, one frozen class each: what collectors, logs and recordings yield, analysis folds.

Adding a class here: give every field a type that the recording can write (numbers, strings, tuples, the dataclasses of
`model`), and add it to `EVENT_CLASSES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gtdiag.model.identity import Origin, WorkerId
from gtdiag.model.requests import RequestInFlight
from gtdiag.model.stacks import Connection, Frame, KernelWait, NamedHost, SuspendedCode, ThreadStack


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A thing with a time.

    `at`: aware; None only where a log carries no time stamps at all.
    `resolution_s`: how exact `at` is; gunicorn's stamps are cut to the second (1.0), samples are finer.
    `seq`: arrival order within one stream of events.
    `master_pid`: the master this is about, where the event itself says so (the pid in a master line's prefix).
    """

    origin: Origin
    at: datetime | None = None
    resolution_s: float = 1.0
    seq: int = 0
    worker: WorkerId | None = None
    master_pid: int | None = None


# --- the observation itself ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationStarted(Event):
    """First event of every stream: what is looked at. `kind` is "live" or "log"."""

    kind: str
    files: tuple[str, ...] = ()
    pid: int | None = None
    hostname: str | None = None
    timeout_s: float | None = None
    """The gunicorn setting as the user gave it (`analyze --timeout`), where the log does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationEnded(Event):
    """Last event of every stream: "now" for the report.

    `reason`: "end", "interrupted", "master_gone", "until_incident" or "for".
    """

    reason: str = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionGap(Event):
    """`Could not look`: a value that travels to every renderer.

    `what`: a stable word: "stacks", "suspended_code", "heartbeat", "log", "settings", "memory", "sockets", ...;
    `why`: the reason in words; `hint`: what would change it, often a command to paste.
    """

    what: str
    why: str
    hint: str = ""


# --- the master ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterStarted(Event):
    """`Starting gunicorn VERSION` in a log."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterListening(Event):
    """`Listening at: ADDRESS (PID)`."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerClassAnnounced(Event):
    """`Using worker: CLASS`."""

    worker_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterSettings(Event):
    """What a live master is and runs with; fields that could not be read are None.

    `settings_source` says where they come from, best first: "memory" (the arbiter object), "control_socket" (25 and
    later), "command_line", "environment", "configuration_file", "default".
    """

    version: str | None = None
    worker_class: str | None = None
    workers: int | None = None
    timeout_s: float | None = None
    graceful_timeout_s: float | None = None
    preload: bool | None = None
    max_requests: int | None = None
    python: str | None = None
    application: str | None = None
    """What gunicorn was told to load ("package.module:app")."""
    working_directory: str | None = None
    settings_source: str | None = None
    heartbeat_filesystem: str | None = None
    """The kind of file system the workers' heartbeat files are on ("tmpfs", "ext4", "overlay", ...)."""
    started_at: datetime | None = None
    """When the master's process began, as the kernel says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterSignalled(Event):
    """`Handling signal: NAME`: the master was told something (hup, term, int, quit, ttin, ttou, usr1, usr2, winch)."""

    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterShutDown(Event):
    """`Shutting down: Master`; `reason` where one is logged ("Worker failed to boot.", "App failed to load.")."""

    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterHalted(Event):
    """The master stops because a worker could not boot: a `Reason:` line, or an uncaught `HaltServer`."""

    reason: str
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterGone(Event):
    """The watched master process is no more."""


# --- a worker's life -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerBooted(Event):
    """`Booting worker with pid: N` in a log, or a new child of the master, live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProgressed(Event):
    """A start-up step: "imported" (`Started server process`), "lifespan" (`Waiting for application startup.`)."""

    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReady(Event):
    """Start-up is over: `Application startup complete.`, `ASGI server listening on`, or the first heartbeat, live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTimedOut(Event):
    """`WORKER TIMEOUT (pid:N)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSignalled(Event):
    """The master reaped a worker that died of a signal ("SIGKILL", "SIGABRT", ...).

    `wording`: the part of the line that says it, for the evidence ("was sent SIGKILL! Perhaps out of memory?").
    """

    signal: str
    wording: str = ""
    perhaps_out_of_memory: bool = False
    core_dumped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerExited(Event):
    """The master reaped a worker that exited with `code`; None where a live worker disappeared and nobody said how."""

    code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerExiting(Event):
    """`Worker exiting (pid: N)`, written by the worker: an orderly exit, also after a handled SIGABRT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecycled(Event):
    """`Autorestarting worker after current request.`: `max_requests` was reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerGracefulTimeout(Event):
    """`Worker graceful timeout (pid:N)` (gevent)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerBootFailed(Event):
    """A worker that could not start: an exception in the worker process before it was ready, or a bare loading error.

    `reason` is the exception's last line or gunicorn's own words ("Application object must be callable.").
    """

    reason: str
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class CountedTraceback:
    """A traceback of interrupted workers, as in `TracebackLogged`, and how many of them logged it."""

    workers: int
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersCounted(Event):
    """A part of a log that was not read line by line, as it tells of more troubled workers than a report can hold.

    `workers`: how many timed out, were killed or failed in it; `timed_out`: how many of them timed out. `at`: the time
    of the last such line, `first_at`: of the first. `tracebacks`: the most frequent ones, the most frequent first.
    """

    workers: int
    timed_out: int
    first_at: datetime | None = None
    tracebacks: tuple[CountedTraceback, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TracebackLogged(Event):
    """A traceback of a worker, joined from its lines.

    `interrupted`: these are the interrupted worker's own frames: the traceback ends in gunicorn's `handle_abort` /
    `SystemExit: 1`, or it is a faulthandler dump. Only such a traceback may be used for blame.
    `header`: the line above it ("Error handling request /slow"); `frames` end with the call that was interrupted (the
    frame of `handle_abort` itself is cut off).
    """

    kind: str  # "abort" | "faulthandler" | "exception"
    frames: tuple[Frame, ...]
    exception: str = ""
    interrupted: bool = False
    header: str = ""
    method: str | None = None
    path: str | None = None
    no_uri_read: bool = False
    """`Error handling request (no URI read)`: gunicorn itself was reading from the client."""
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelOomKilled(Event):
    """The kernel's record of an out-of-memory kill: from a kernel log line, or the cgroup's `oom_kill` count rising.

    `pid` is the kernel's (host) pid and may differ from the container's; None when only a count is known.
    """

    pid: int | None
    process: str | None
    cgroup: bool = False
    wording: str = ""


# --- samples ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatSample(Event):
    """A worker's heartbeat as its file shows it.

    `age_s`: seconds since the last heartbeat; before the first one, seconds since the worker's heartbeat file was made.
    `ever`: whether the worker has ever beaten. None where the version cannot tell.
    """

    age_s: float
    ever: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSample(Event):
    """Memory and CPU of one worker (or, with `worker` None, of the master)."""

    rss_bytes: int
    peak_rss_bytes: int | None = None
    cpu_percent: float | None = None
    """Share of one core since the sample before; None for the first sample."""
    state: str | None = None
    """The kernel's one-letter process state: R, S, D, T, Z (proc(5))."""
    threads: int | None = None
    wchan: str | None = None
    """The kernel function the main thread sleeps in (proc(5), /proc/PID/wchan), without ptrace rights too."""
    main_thread_ran_s: float | None = None
    """CPU seconds of the main thread, which is the one that beats, since it began (/proc/PID/schedstat, field 1)."""
    main_thread_waited_s: float | None = None
    """Seconds it was ready to run and got no CPU, since it began (field 2: `run_delay`; a throttled one waits)."""
    pss_bytes: int | None = None
    """Proportional set size: pages shared with n others count for an n-th (/proc/PID/smaps_rollup, Linux 4.14)."""
    uss_bytes: int | None = None
    """Unique set size: what would be free if it ended. After a fork, what grows here is its own (smaps_rollup)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSample(Event):
    """The stacks of all threads of a worker (or of the master, with `worker` None)."""

    threads: tuple[ThreadStack, ...]
    duration_s: float | None = None
    wchan: str | None = None
    """The kernel function the main thread slept in at that moment; None where it ran or the kernel does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupSample(Event):
    """What a starting worker's main thread was in, read from its memory alone; only for the time-line of the start-up.

    `suspended`: its suspended code, where the thread waits in an event loop. Both are empty when the functions are the
    same as in the sample before (`unchanged`).
    """

    threads: tuple[ThreadStack, ...] = ()
    suspended: tuple[SuspendedCode, ...] = ()
    unchanged: bool = False
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendedSample(Event):
    """All suspended code of a worker (or of the master, with `worker` None): its asyncio tasks, its greenlets."""

    suspended: tuple[SuspendedCode, ...]
    duration_s: float | None = None
    truncated: bool = False
    problems: tuple[str, ...] = ()
    """What could not be read, in words: memory that changed while it was read, twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSample(Event):
    """The requests that a worker was handling, the longest first; empty when there was none."""

    requests: tuple[RequestInFlight, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSample(Event):
    """The hosts that the waiting frames of a worker (or of the master, with `worker` None) name."""

    hosts: tuple[NamedHost, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketSample(Event):
    """The sockets of a worker (or of the master, with `worker` None) and their peers, and what its threads wait for."""

    connections: tuple[Connection, ...]
    waits: tuple[KernelWait, ...] = ()
    """The threads as the kernel sees them, the main thread first; empty where that could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSample(Event):
    """One request to the health endpoint that the user gave (`watch --health`).

    `url`: without user, password and query values. `status`: None where there was no answer, and `error` says why.
    `latency_s`: until the status line, or until the error. `changed`: it answers since, or fails since, this probe.
    """

    url: str
    status: int | None
    latency_s: float
    error: str = ""
    changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupSample(Event):
    """The master's memory cgroup: limit and use in bytes, out-of-memory kills since the cgroup was made."""

    limit_bytes: int | None
    current_bytes: int | None
    oom_kill: int | None
    inactive_file_bytes: int | None = None
    """Part of `current_bytes`: cached file pages that the kernel gives back before it kills (memory.stat)."""
    kill_count_file: str | None = None
    """The file that `oom_kill` was read from, to be named as evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuSample(Event):
    """How much CPU the master's cgroup may have, and how often it had to go without; each count since it was made.

    `quota_cores`: the lowest quota on the way up, in cores; None without one. `throttled_periods` of `periods` in which
    that quota was used up (cpu.stat, cgroup versions 1 and 2). `pressure_s`: seconds in which something waited for a
    CPU (PSI, the `some` line) in the cgroup, or on the whole host where `pressure_of` is "host".
    """

    quota_cores: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_s: float | None = None
    pressure_s: float | None = None
    pressure_of: str | None = None


SAMPLES = (HeartbeatSample, ProcessSample, CgroupSample, CpuSample)
"""What comes of every worker, or master, at each interval, whatever happens."""

EVENT_CLASSES: tuple[type[Event], ...] = (
    ObservationStarted,
    ObservationEnded,
    CollectionGap,
    MasterStarted,
    MasterListening,
    WorkerClassAnnounced,
    MasterSettings,
    MasterSignalled,
    MasterShutDown,
    MasterHalted,
    MasterGone,
    WorkerBooted,
    WorkerProgressed,
    WorkerReady,
    WorkerTimedOut,
    WorkerSignalled,
    WorkerExited,
    WorkerExiting,
    WorkerRecycled,
    WorkerGracefulTimeout,
    WorkerBootFailed,
    WorkersCounted,
    TracebackLogged,
    KernelOomKilled,
    HeartbeatSample,
    ProcessSample,
    StackSample,
    StartupSample,
    SuspendedSample,
    RequestSample,
    HostSample,
    SocketSample,
    HealthSample,
    CgroupSample,
    CpuSample,
)
