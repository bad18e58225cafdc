"""Values of the report to the words a person reads: durations, sizes, times, kinds, what was waited for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from gtdiag.model.report import (
    Blocked,
    Confidence,
    How,
    IncidentKind,
    KilledBy,
    PatternKind,
    Phase,
    Request,
    WaitingOn,
    Worker,
    WorkerEnd,
)
from gtdiag.rules.condition_words import describe_condition, describe_figures, describe_peer

_STDLIB_FOLDER = re.compile(r"^.*/lib/python3\.\d+/(?=.)")

INCIDENT_TITLES: dict[IncidentKind, str] = {
    IncidentKind.WORKER_TIMEOUT: "worker time-out",
    IncidentKind.STARTUP_HANG: "start-up hang",
    IncidentKind.OOM_KILL: "out-of-memory kill",
    IncidentKind.EXTERNAL_KILL: "killed, and not by gunicorn",
    IncidentKind.WORKER_CRASH: "worker crash",
    IncidentKind.BOOT_FAILURE: "boot failure",
    IncidentKind.WORKER_EXIT: "worker exit",
    IncidentKind.MASTER_HANG: "master hang",
}

PATTERN_TITLES: dict[PatternKind, str] = {
    PatternKind.RESTART_LOOP: "restart loop",
    PatternKind.STARTUP_CONTENTION: "start-up contention",
    PatternKind.SILENT_STARTUP_HANG: "silent start-up hang",
    PatternKind.BLOCKING_CALL_IN_EVENT_LOOP: "blocking call in the event loop",
    PatternKind.MEMORY_GROWTH: "memory growth",
    PatternKind.MEMORY_LIMIT: "memory limit",
    PatternKind.MISLEADING_OOM_MESSAGE: "misleading out-of-memory message",
    PatternKind.POOL_EXHAUSTED: "connection pool exhausted",
    PatternKind.SLOW_STARTUP: "slow start-up",
    PatternKind.IDLE_CLIENT: "client that connects and sends nothing",
    PatternKind.CPU_STARVATION: "too little CPU",
    PatternKind.SLOW_HEARTBEAT_DISK: "heartbeat file on a slow disk",
    PatternKind.SHARED_SOCKET: "connection shared through fork",
    PatternKind.FORK_INHERITED_LOCK: "lock inherited through fork",
    PatternKind.DRAIN_TIMEOUT: "time-out while finishing",
    PatternKind.GRACEFUL_TIMEOUT_KILL: "killed at the end of graceful_timeout",
    PatternKind.GROUP_STALL: "all workers stood still at once",
}

PHASES: dict[Phase | None, str] = {
    Phase.STARTUP: "start-up",
    Phase.SERVING: "serving",
    Phase.EXITED: "exited",
    None: "not known",
}

IN_PHASE: dict[Phase, str] = {
    Phase.STARTUP: "in start-up",
    Phase.SERVING: "while serving",
    Phase.EXITED: "after its exit",
}

KILLED_BY: dict[KilledBy, str] = {
    KilledBy.GUNICORN: "gunicorn",
    KilledBy.KERNEL_OOM: "the kernel, out of memory",
    KilledBy.EXTERNAL: "somebody else (neither gunicorn nor the kernel)",
    KilledBy.NONE: "nobody",
    KilledBy.UNKNOWN: "not known",
}

ENDS: dict[WorkerEnd, str] = {
    WorkerEnd.RUNNING: "running",
    WorkerEnd.TIMEOUT: "time-out",
    WorkerEnd.SIGKILL: "SIGKILL",
    WorkerEnd.OOM: "out of memory",
    WorkerEnd.EXIT: "exit",
    WorkerEnd.BOOT_FAILURE: "boot failure",
    WorkerEnd.SIGNAL: "signal",
}

HOW_SEEN: dict[How, str] = {
    How.ASYNCIO_TASK: "the await chain of an asyncio task, read from the worker's memory",
    How.GREENLET: "a suspended greenlet, read from the worker's memory",
    How.THREAD: "the stack of the worker's thread",
    How.EXECUTOR: "the stack of an executor thread that the event loop waits for",
    How.LOG_TRACEBACK: "the interrupted worker's traceback in the log",
    How.SOCKET: "the worker's socket, as the kernel shows it",
    How.KERNEL: "what the kernel says the process waits for",
}

CONFIDENCES: dict[Confidence, str] = {
    Confidence.HIGH: "high",
    Confidence.MEDIUM: "medium",
    Confidence.LOW: "low",
}


def say_seconds(seconds: float | None, *, unknown: str = "?") -> str:
    """Return a duration: "27.4 s", "12 min 5 s", "3 h 20 min"."""
    if seconds is None:
        return unknown
    if seconds < 0:
        return "-" + say_seconds(-seconds)
    if round(seconds, 1) < 100:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def say_bytes(size_bytes: float | None, *, unknown: str = "?") -> str:
    """Return a size: "512 KiB", "96.3 MiB", "1.5 GiB"."""
    if size_bytes is None:
        return unknown
    if size_bytes < 0:
        return "-" + say_bytes(-size_bytes)
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes / 1024:.0f} KiB"


def say_share(share: float | None) -> str:
    """Return a share as percent: "94 %"."""
    return "?" if share is None else f"{share * 100:.0f} %"


def say_time(at: datetime | None, *, unknown: str = "?") -> str:
    """Return the time of day to the second: the period in the footer has the date and the offset."""
    return unknown if at is None else at.strftime("%H:%M:%S")


def say_day_and_time(at: datetime | None, *, unknown: str = "?") -> str:
    """Return month, day and time of day: "07-22 15:06:03"."""
    return unknown if at is None else at.strftime("%m-%d %H:%M:%S")


def say_date_and_time(at: datetime | None, *, unknown: str = "?") -> str:
    """Return date, time and offset: "2025-07-22 15:06:03 +00:00"."""
    if at is None:
        return unknown
    return f"{at:%Y-%m-%d %H:%M:%S} {at.isoformat(timespec='seconds')[len('2025-07-22T15:06:03') :]}".rstrip()


def say_range(values: Iterable[float | None], say: str) -> str:
    """Return "27.4 s", or "27.4 s to 29.8 s" where the values differ; empty without one. `say`: seconds or share."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    speak = say_seconds if say == "seconds" else say_share
    low, high = speak(min(known)), speak(max(known))
    return low if low == high else f"{low} to {high}"


def say_numbers(numbers: Iterable[int], limit: int = 12) -> str:
    """Return "7, 8, 9", with "and 30 more" where there are more than the limit."""
    listed = list(numbers)
    text = ", ".join(str(number) for number in listed[:limit])
    return text if len(listed) <= limit else f"{text} and {len(listed) - limit} more"


def say_count(number: int, singular: str, plural: str | None = None) -> str:
    """Return "1 worker", "4 workers"."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def say_waiting(waiting: WaitingOn | None) -> str:
    """Return what is waited for: "socket 10.0.0.5:5432 (postgresql), SYN_SENT"; empty where nothing is known."""
    if waiting is None:
        return ""
    text = waiting.kind.replace("_", " ")
    if waiting.peer:
        text += f" {describe_peer(waiting)}"
    if waiting.service:
        text += f" ({waiting.service})"
    if waiting.file:
        text += f" {waiting.file}"
    if waiting.process_name:
        text += f", process {waiting.process_name} (pid {waiting.process_pid})"
    condition = describe_condition(waiting)
    return f"{text}, {condition}" if condition else text


def say_figures(waits: Iterable[WaitingOn | None]) -> str:
    """Return the kernel's figures of the connection; of several workers', of the one that is silent the longest."""
    known = [waiting for waiting in waits if waiting is not None]
    longest = max(known, key=lambda waiting: waiting.last_received_s or 0.0, default=None)
    return describe_figures(longest) if longest is not None else ""


def say_call_name(blocked: Blocked) -> str:
    """Return the application's call, or where there is none the library's."""
    if blocked.call is None and blocked.how in (How.SOCKET, How.KERNEL):
        return "a function that cannot be seen"
    return blocked.call or say_library(blocked) or "an unknown call"


def say_call(blocked: Blocked) -> str:
    """Return the call in a few words: "verify_database_migrations (database: asyncpg.connect)"."""
    library = say_library(blocked)
    detail = f": {library}" if library and blocked.call else ""
    return f"{say_call_name(blocked)} ({blocked.category.value}{detail})"


def say_library(blocked: Blocked) -> str:
    """Return "asyncpg.connect", or what is known of it."""
    library, call = blocked.library, blocked.library_call
    if library and call and call.startswith(f"{library}."):
        return call
    return ".".join(part for part in (library, call) if part)


def say_request(request: Request) -> str:
    """Return "GET /slow, for 12.1 s, from 10.0.0.9, id 4bf92f35"."""
    parts = [" ".join(part for part in (request.method, request.path) if part)]
    if request.seconds is not None:
        parts.append(f"for {say_seconds(request.seconds)}")
    if request.client:
        parts.append(f"from {request.client}")
    if request.request_id:
        parts.append(f"id {request.request_id}")
    return ", ".join(parts)


def say_place(file: str | None, line: int | None) -> str:
    """Return "/srv/app/main.py:41"; empty where the file is not known."""
    if not file:
        return ""
    return file if line is None else f"{file}:{line}"


def say_installed_file(file: str) -> str:
    """Return what tells files of libraries apart: the path below site-packages, or below the standard library."""
    for part in ("/site-packages/", "/dist-packages/"):
        _, found, rest = file.rpartition(part)
        if found:
            return rest
    return _STDLIB_FOLDER.sub("", file)


def say_heartbeat(worker: Worker, timeout_s: float | None) -> str:
    """Return the heartbeat's age against the time-out: "27.4/30 s"; marked where the worker has never beaten."""
    if worker.heartbeat_age_s is None:
        return ""
    age = f"{worker.heartbeat_age_s:.1f}"
    text = f"{age} s" if timeout_s is None else f"{age}/{timeout_s:g} s"
    return f"{text} never" if worker.first_heartbeat_seen is False else text


def say_end(worker: Worker) -> str:
    """Return how a worker ended: "time-out", "exit 3", "SIGSEGV", "running"."""
    if worker.end is WorkerEnd.EXIT and worker.end_code is not None:
        return f"exit {worker.end_code}"
    if worker.end is WorkerEnd.SIGNAL and worker.end_signal:
        return worker.end_signal
    return ENDS[worker.end]
