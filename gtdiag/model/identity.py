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
    `stream`: what keeps replicas in one file apart: the compose service, pod or container named in the line prefix.
    """

    source: str
    file: str | None = None
    line: int | None = None
    stream: str = ""
