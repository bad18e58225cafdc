"""Time-outs of workers that were already on their way out (max_requests, a reload) to drains that take too long."""

from __future__ import annotations

from gtdiag.analysis.judging import Judgement
from gtdiag.analysis.lives import MasterLife
from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import count_of, describe_blocked, seconds_in_words
from gtdiag.model.report import Confidence, IncidentKind, Pattern, PatternKind


def match_drain_timeout(group: MasterGroup) -> list[Pattern]:
    """Workers that had reached `max_requests`, or were to be replaced, and timed out before they had finished."""
    timed_out = [j for j in group.judgements if j.kind is IncidentKind.WORKER_TIMEOUT and j.resolved_at is None]
    recycled = [j for j in timed_out if j.life.recycled]
    reloaded = [j for j in timed_out if not j.life.recycled and _reloaded_before(j, group.master)]
    found = []
    for members, why in ((recycled, "had reached max_requests"), (reloaded, "had been told to stop by a reload (HUP)")):
        if members:
            found.append(_pattern(group, members, why))
    return found


def _pattern(group: MasterGroup, members: list[Judgement], why: str) -> Pattern:
    blames = [j.blocked for j in members if j.blocked is not None]
    where = f" in {describe_blocked(blames[0])}" if blames else ""
    timeout_s = group.judge.known_timeout_s(group.master)
    graceful_s = group.master.graceful_timeout_s if group.master is not None else None
    limits = ""
    if timeout_s and graceful_s and timeout_s < graceful_s:
        limits = (
            f"; its last requests may take {seconds_in_words(graceful_s)} (graceful_timeout), but the time-out is "
            f"{seconds_in_words(timeout_s)}"
        )
    was, whom = ("was", "it") if len(members) == 1 else ("were", "them")
    return Pattern(
        kind=PatternKind.DRAIN_TIMEOUT,
        summary=f"{count_of(len(members), 'worker')} {why} and {was} finishing when gunicorn timed {whom} out"
        f"{where}{limits}",
        confidence=Confidence.HIGH if members[0].life.recycled else Confidence.MEDIUM,
        pids=tuple(j.life.pid for j in members),
        master_pid=group.master_pid,
        evidence=tuple(line for j in members[:3] for line in j.life.evidence[:2]),
    )


def _reloaded_before(judgement: Judgement, master: MasterLife | None) -> bool:
    life = judgement.life
    at = life.timed_out_at
    if master is None or at is None or life.booted_at is None:
        return False
    return any(name == "hup" and when and life.booted_at < when < at for when, name in master.signals)
