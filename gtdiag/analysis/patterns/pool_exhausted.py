"""Calls that wait for a free connection of the application's own pool to the pool that ran out of them."""

from __future__ import annotations

from collections import defaultdict

from gtdiag.analysis.judging import Judgement
from gtdiag.analysis.patterns.group import MasterGroup, best_blame
from gtdiag.analysis.wording import count_of, name_call, seconds_in_words
from gtdiag.model.report import Blocked, Confidence, Pattern, PatternKind
from gtdiag.rules.pools import Pool, match_pool_wait
from gtdiag.rules.thresholds import threshold


def match_pool_exhausted(group: MasterGroup) -> list[Pattern]:
    """Workers whose blocked call stands in a pool's own wait for a connection, one pattern a pool and call."""
    by_pool: dict[tuple[str, str], list[Judgement]] = defaultdict(list)
    pools: dict[str, Pool] = {}
    for judgement in group.judgements:
        pool = _pool_waited_for(judgement)
        if pool is not None and judgement.blocked is not None:
            pools[pool.id] = pool
            by_pool[pool.id, name_call(judgement.blocked)].append(judgement)
    return [_pattern(group, pools[pool_id], call, members) for (pool_id, call), members in by_pool.items()]


def _pattern(group: MasterGroup, pool: Pool, call: str, members: list[Judgement]) -> Pattern:
    blocked = best_blame(members)
    held = f" for {seconds_in_words(blocked.seconds)}" if blocked.seconds else ""
    return Pattern(
        kind=PatternKind.POOL_EXHAUSTED,
        summary=f"{call} waits{held} for a free connection of the application's own {pool.name} in "
        f"{count_of(len(members), 'worker')}: all are in use",
        confidence=Confidence.HIGH if blocked.confidence is Confidence.HIGH and pool.certain else Confidence.MEDIUM,
        pids=tuple(j.life.pid for j in members),
        master_pid=group.master_pid,
        category=blocked.category,
        call=call,
        evidence=tuple(_evidence_of(j, pool) for j in members[:3]),
    )


def _pool_waited_for(judgement: Judgement) -> Pool | None:
    blocked = judgement.blocked
    if blocked is None or judgement.resolved_at is not None:
        return None
    pool = match_pool_wait(blocked.stack)
    if pool is None or not _lasts(judgement, blocked):
        return None
    # Some pools wait in the same place for threads of theirs that cannot connect: then nothing is in use.
    if not pool.certain and not _has_connections(judgement):
        return None
    return pool


def _lasts(judgement: Judgement, blocked: Blocked) -> bool:
    """A pool that makes its callers wait a moment does what it is for."""
    if judgement.kind is not None:
        return True
    request = judgement.life.leading_request()
    seconds = max(blocked.seconds or 0.0, (request.seconds or 0.0) if request else 0.0)
    return not judgement.life.ended and seconds >= threshold("pool_wait_s")


def _has_connections(judgement: Judgement) -> bool:
    return any(c.outgoing and c.peer and c.state in ("ESTABLISHED", "UNIX") for c in judgement.life.connections)


def _evidence_of(judgement: Judgement, pool: Pool) -> str:
    in_use = sum(1 for c in judgement.life.connections if c.outgoing and c.peer and c.state in ("ESTABLISHED", "UNIX"))
    seen = f"; {count_of(in_use, 'connection')} to other servers open" if judgement.life.connections else ""
    return f"worker {judgement.life.pid} stands in {pool.wait} of {pool.name}{seen}"
