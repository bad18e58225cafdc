"""The processes of this host to one line for each gunicorn master: version, workers, health."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from gtdiag.collectors.clock import Clock, SystemClock, read_seconds_since_boot
from gtdiag.collectors.containers import read_container_id
from gtdiag.collectors.heartbeats import read_heartbeat
from gtdiag.collectors.master import MasterFacts, read_master
from gtdiag.collectors.processes import WorkerFinder
from gtdiag.collectors.sampling import STARTUP_LOOK_AFTER_S, thresholds_for
from gtdiag.gunicorn.heartbeat import major_of
from gtdiag.gunicorn.masters import GunicornMaster, find_masters
from gtdiag.gunicorn.proc_files import read_inner_pid


@dataclass(frozen=True, slots=True)
class MasterSummary:
    """One master. `workers` are those alive, `workers_wanted` the setting.

    Of the workers alive: `never_beaten` have not sent a heartbeat for more than a second since their start, `stale`
    have not sent one for longer than their class ever takes, `ok` are all others; all None where heartbeats cannot be
    read, and `why_unknown` says why. `inner_pid`: the pid it has in a PID namespace of its own, as its log says it;
    `container`: the id of its container, as docker shows it.
    """

    pid: int
    user: str | None
    uptime_s: float
    version: str | None
    worker_class: str | None
    application: str | None
    workers: int
    workers_wanted: int | None
    timeout_s: float | None
    never_beaten: int | None
    stale: int | None
    ok: int | None
    why_unknown: str = ""
    successor_of: int | None = None
    inner_pid: int | None = None
    container: str | None = None


def collect_masters(clock: Clock | None = None) -> list[MasterSummary]:
    """List the masters of this host that this user can see, oldest first."""
    clock = clock or SystemClock()
    summaries = []
    masters = find_masters()
    pids = {master.pid for master in masters}
    for master in masters:
        try:
            summaries.append(_summary(master, pids, clock))
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return summaries


def _summary(master: GunicornMaster, masters: set[int], clock: Clock) -> MasterSummary:
    facts = read_master(master.pid)
    finder = WorkerFinder(master.pid)
    workers = finder.find()
    process = psutil.Process(master.pid)
    try:
        user: str | None = process.username()
    except psutil.AccessDenied:
        user = None
    counts = None if finder.denied else _count(finder, facts, clock)
    wanted = facts.number("workers")
    parent = process.ppid()
    inner_pid = read_inner_pid(master.pid)
    return MasterSummary(
        pid=master.pid,
        user=user,
        uptime_s=round(max(0.0, read_seconds_since_boot() - master.started_at_s), 1),
        version=facts.version,
        worker_class=facts.text("worker_class"),
        application=facts.application,
        workers=len(workers),
        workers_wanted=None if wanted is None else int(wanted),
        timeout_s=facts.number("timeout"),
        never_beaten=counts[0] if counts else None,
        stale=counts[1] if counts else None,
        ok=counts[2] if counts else None,
        why_unknown="the descriptor tables may not be read by this user" if finder.denied else "",
        successor_of=parent if parent in masters else None,
        inner_pid=inner_pid if inner_pid != master.pid else None,
        container=read_container_id(master.pid),
    )


def _count(finder: WorkerFinder, facts: MasterFacts, clock: Clock) -> tuple[int, int, int]:
    limits = thresholds_for(facts.number("timeout"), facts.text("worker_class"))
    never, stale, ok = 0, 0, 0
    for worker in finder.find():
        if worker.heartbeat_file is None:
            continue
        heartbeat = read_heartbeat(worker.heartbeat_file, clock, major_of(facts.version))
        if heartbeat is None:
            continue
        if not heartbeat.ever and heartbeat.age_s >= STARTUP_LOOK_AFTER_S:
            never += 1
        elif heartbeat.ever and heartbeat.age_s >= limits.stale_after_s:
            stale += 1
        else:
            ok += 1
    return never, stale, ok
