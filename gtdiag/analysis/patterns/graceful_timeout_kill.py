"""Workers that did not stop in time, and were killed by gunicorn for it, to requests cut off at each deployment."""

from __future__ import annotations

from gtdiag.analysis.judging import Judgement
from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import count_of, describe_blocked, seconds_in_words
from gtdiag.model.report import Confidence, IncidentKind, KilledBy, Pattern, PatternKind, WorkerEnd


def match_graceful_timeout_kill(group: MasterGroup) -> list[Pattern]:
    """Workers told to stop that gunicorn itself killed when `graceful_timeout` was over."""
    killed = [
        j
        for j in group.judgements
        if j.kind is IncidentKind.WORKER_EXIT and j.end is WorkerEnd.SIGKILL and j.killed_by is KilledBy.GUNICORN
    ]
    if not killed:
        return []
    limit_s = group.master.graceful_timeout_s if group.master is not None else None
    limit = f" ({seconds_in_words(limit_s)})" if limit_s else ""
    blames = [j.blocked for j in killed if j.blocked is not None]
    where = f"; it was in {describe_blocked(blames[0])}" if blames else ""
    return [
        Pattern(
            kind=PatternKind.GRACEFUL_TIMEOUT_KILL,
            summary=f"gunicorn killed {count_of(len(killed), 'worker')} that had been told to stop and had not when "
            f"graceful_timeout{limit} was over{where}; what it was doing is lost",
            confidence=Confidence.HIGH if limit_s and all(_was_reaped(j) for j in killed) else Confidence.MEDIUM,
            pids=tuple(j.life.pid for j in killed),
            master_pid=group.master_pid,
            evidence=tuple(line for j in killed[:3] for line in j.life.evidence[:2]),
        )
    ]


def _was_reaped(judgement: Judgement) -> bool:
    """Whether the master said that a signal ended it; a worker that only disappeared leaves that to be concluded."""
    return judgement.life.death is not None and judgement.life.death.signal is not None
