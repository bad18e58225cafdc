"""Who and where: which worker an event is about, and where the event was seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerId:
    """One life of one worker. Pids come back, so a pid alone never identifies a worker.

    `started_at_s`: the kernel's start time of the process in seconds since boot (proc(5), stat field 22), live only.
    `spawn`: how many times this pid had been booted in the log before, plus one; log only. A log line about a worker
    whose boot line is not in the log has spawn 0.
    """

    pid: int
    started_at_s: float | None = None
    spawn: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event was seen: a line of a log file, or a collector.

    `source`: "log" or a collector's name ("heartbeat", "process", "stack", "suspended", "socket", "cgroup", "master").
    `stream`: the replica, by its name, where there are several: what the line's carrier calls it (compose service, pod,
    host and unit), after the name of its `LogSource` where the files are of several. Masters and workers of different
    streams are never the same, whatever their pids: in a container, every master is pid 1 or 7.
    """

    source: str
    file: str | None = None
    line: int | None = None
    stream: str = ""


@dataclass(frozen=True, slots=True)
class LogSource:
    """One log of one gunicorn: a file and its rotations, the oldest first; or standard input ("-").

    `replica`: what a report calls the gunicorn that wrote it, "" where there is only one source. Sources of the same
    replica (its error log and its standard error) are one gunicorn's. Events of a source name it in `Origin.stream`.
    """

    replica: str
    files: tuple[str, ...]
