"""Workers past the time-out without a first heartbeat to the hang that gunicorn never ends nor logs."""

from __future__ import annotations

from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import count_of, pids_in_words
from gtdiag.model.report import Confidence, IncidentKind, Pattern, PatternKind


def match_silent_startup_hang(group: MasterGroup) -> list[Pattern]:
    """Workers over the time-out without a first heartbeat, and gunicorn says nothing."""
    hanging = [j for j in group.judgements if j.kind is IncidentKind.STARTUP_HANG and j.resolved_at is None]
    if not hanging:
        return []
    version = group.master.version if group.master and group.master.version else "22 and later"
    pids = tuple(j.life.pid for j in hanging)
    return [
        Pattern(
            kind=PatternKind.SILENT_STARTUP_HANG,
            summary=f"{count_of(len(hanging), 'worker')} ({pids_in_words(pids)}) past the time-out without a first "
            f"heartbeat; gunicorn {version} neither kills such a worker nor logs anything",
            confidence=Confidence.HIGH if all(j.life.overdue_at for j in hanging) else Confidence.MEDIUM,
            pids=pids,
            master_pid=group.master_pid,
            of_workers=group.workers_at_once(),
        )
    ]
