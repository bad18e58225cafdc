"""The masters of this host to what `gtdiag ps` says of each: settings, workers, health by their heartbeats."""

from __future__ import annotations

from collections.abc import Sequence

from gtdiag.collectors.clock import SystemClock
from gtdiag.collectors.host import Host, ThisHost
from gtdiag.collectors.master import MasterFacts
from gtdiag.gunicorn.heartbeat import Heartbeat, major_of
from gtdiag.gunicorn.masters import GunicornMaster, find_masters
from gtdiag.model.report import Gap
from gtdiag.renderers.ps import Health, MasterRow


def collect_master_rows() -> tuple[list[MasterRow], list[Gap]]:
    """Look at each master once; what could not be seen is in the gaps. A master that goes away meanwhile is left out."""
    host = ThisHost(SystemClock())
    rows: list[MasterRow] = []
    gaps: list[Gap] = []
    try:
        for master in find_masters():
            try:
                row, gap = _look_at(host, master)
            except ProcessLookupError:
                continue
            rows.append(row)
            if gap is not None:
                gaps.append(gap)
    finally:
        host.close()
    return rows, gaps


def _look_at(host: Host, master: GunicornMaster) -> tuple[MasterRow, Gap | None]:
    facts = host.master(master.pid)
    workers = host.workers(master.pid)
    major = major_of(facts.version)
    heartbeats = [beat for beat in (host.heartbeat(worker, major) for worker in workers) if beat is not None]
    denied = host.heartbeats_denied(master.pid)
    timeout_s = facts.number("timeout")
    over = [beat for beat in heartbeats if timeout_s and beat.age_s > timeout_s]
    wanted = facts.number("workers")
    row = MasterRow(
        pid=master.pid,
        started_at=host.wall_time_of(master.started_at_s),
        version=facts.version,
        worker_class=facts.text("worker_class"),
        workers=len(workers),
        workers_wanted=None if wanted is None else int(wanted),
        workers_over_timeout=None if denied or timeout_s is None else len(over),
        workers_without_heartbeat=None if denied else sum(not beat.ever for beat in heartbeats),
        timeout_s=timeout_s,
        python=facts.python,
        application=facts.application,
        health=judge_health(heartbeats, over, living=len(workers), denied=denied),
        command_line=master.command_line,
        settings_source=facts.source,
    )
    return row, _gap_of(master.pid, facts, denied)


def judge_health(heartbeats: Sequence[Heartbeat], over: Sequence[Heartbeat], *, living: int, denied: bool) -> Health:
    """Say how the workers are; the worst counts. `over`: those of the heartbeats that are older than the time-out."""
    if not living:
        return Health.NO_WORKERS
    if any(not beat.ever for beat in over):
        return Health.HANGING
    if over:
        return Health.STALE
    if denied or not heartbeats:
        return Health.UNKNOWN
    return Health.OK if all(beat.ever for beat in heartbeats) else Health.STARTING


def _gap_of(pid: int, facts: MasterFacts, denied: bool) -> Gap | None:
    if denied:
        return Gap(
            what="heartbeat",
            why=f"the descriptors of master {pid} or of its workers may not be read by this user",
            hint="sudo gtdiag ps",
        )
    if facts.problems:
        return Gap(what="settings", why=f"of master {pid}: {'; '.join(facts.problems)}", hint=facts.hint)
    return None
