"""The masters of this host, as they were found, to the rows of `gtdiag ps`."""

from __future__ import annotations

from gtdiag.collectors.containers import find_own_engine
from gtdiag.collectors.hidden_processes import find_hiding, say_hidden, say_how_to_see
from gtdiag.collectors.ps import MasterSummary, collect_masters
from gtdiag.model.report import Gap
from gtdiag.renderers.ps import Health, MasterRow


def list_masters() -> tuple[list[MasterRow], list[Gap]]:
    """Look at each master once; what could not be seen is in the gaps."""
    masters = collect_masters()
    gaps = [
        Gap(what="heartbeat", why=f"master {master.pid}: {master.why_unknown}", hint=_say_hint(master.pid))
        for master in masters
        if master.why_unknown
    ]
    hiding = find_hiding()
    if hiding is not None:
        gaps.append(Gap(what="processes", why=say_hidden(hiding), hint=say_how_to_see("ps")))
    return [_row_of(master) for master in masters], gaps


def _say_hint(pid: int) -> str:
    return f"gtdiag doctor {pid} says what would change it" if find_own_engine() else "sudo gtdiag ps"


def judge_health(workers: int, ok: int | None, stale: int | None, never_beaten: int | None) -> Health:
    """Say how the workers are from their counts; None where heartbeats cannot be read."""
    if not workers:
        return Health.NO_WORKERS
    if never_beaten:
        return Health.NEVER_BEATEN
    if stale:
        return Health.STALE
    return Health.OK if ok else Health.UNKNOWN


def _row_of(master: MasterSummary) -> MasterRow:
    return MasterRow(
        pid=master.pid,
        user=master.user,
        uptime_s=master.uptime_s,
        version=master.version,
        worker_class=master.worker_class,
        application=master.application,
        workers=master.workers,
        workers_wanted=master.workers_wanted,
        timeout_s=master.timeout_s,
        health=judge_health(master.workers, master.ok, master.stale, master.never_beaten),
        ok=master.ok,
        stale=master.stale,
        never_beaten=master.never_beaten,
        successor_of=master.successor_of,
        inner_pid=master.inner_pid,
        container=master.container,
    )
