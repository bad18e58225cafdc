""" "Perhaps out of memory?" in the log, and evidence of who really sent the signal, to a warning."""

from __future__ import annotations

from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import count_of
from gtdiag.model.report import Confidence, Pattern, PatternKind


def match_misleading_oom_message(group: MasterGroup) -> list[Pattern]:
    """ "Perhaps out of memory?" in the log, and the evidence says who really sent the signal."""
    misled = [j for j in group.judgements if j.misleading_oom]
    if not misled:
        return []
    pids = tuple(j.life.pid for j in misled)
    by_gunicorn = sum(1 for j in misled if j.killed_by.value == "gunicorn")
    who = "gunicorn itself" if by_gunicorn == len(misled) else "somebody else than the kernel's OOM killer"
    return [
        Pattern(
            kind=PatternKind.MISLEADING_OOM_MESSAGE,
            summary=f'the log says "Perhaps out of memory?" of {count_of(len(misled), "worker")}; it was not: {who} '
            "sent the SIGKILL",
            confidence=Confidence.HIGH,
            pids=pids,
            master_pid=group.master_pid,
        )
    ]
