"""Several workers in start-up at once, all in the same call, to their contention for it."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from gtdiag.analysis.judging import Judgement
from gtdiag.analysis.patterns.group import MasterGroup, best_blame
from gtdiag.analysis.wording import describe_blocked, name_call
from gtdiag.model.report import Category, IncidentKind, Pattern, PatternKind, Phase
from gtdiag.rules.thresholds import threshold


def match_startup_contention(group: MasterGroup) -> list[Pattern]:
    """Several workers in start-up at once, all blocked in the same call."""
    timeout_s = group.judge.effective_timeout_s(group.master)
    long_enough_s = min(threshold("contention_seconds"), threshold("contention_share_of_timeout") * (timeout_s or 1e9))
    by_call: dict[tuple[Category, str], list[Judgement]] = defaultdict(list)
    for judgement in group.judgements:
        blocked = judgement.blocked
        if blocked is None or judgement.phase is not Phase.STARTUP or judgement.resolved_at is not None:
            continue
        if judgement.kind in (IncidentKind.WORKER_TIMEOUT, IncidentKind.STARTUP_HANG) or (
            judgement.kind is None and not judgement.life.ended and (blocked.seconds or 0.0) >= long_enough_s
        ):
            by_call[(blocked.category, name_call(blocked))].append(judgement)
    found = []
    for (category, call), members in by_call.items():
        together = _largest_generation(members)
        if len(together) < threshold("contention_workers"):
            continue
        blocked = best_blame(together)
        of_workers = max(group.workers_at_once(), len(together))
        found.append(
            Pattern(
                kind=PatternKind.STARTUP_CONTENTION,
                summary=f"{len(together)} of {of_workers} workers were in {describe_blocked(blocked)} at the same time "
                "in their start-up",
                confidence=blocked.confidence,
                pids=tuple(j.life.pid for j in together),
                master_pid=group.master_pid,
                category=category,
                call=blocked.call or call,
                of_workers=of_workers,
            )
        )
    return found


def _largest_generation(members: list[Judgement]) -> list[Judgement]:
    """The most workers whose start-ups ran at the same moment; of several such generations, the one seen longest."""
    at_moment = _there_at_each_boot(members)
    generations = [at_moment[judgement.life.booted_at] for judgement in members]
    return max(generations, key=lambda together: (len(together), _seen_s(together)), default=[])


def _there_at_each_boot(members: list[Judgement]) -> dict[datetime | None, list[Judgement]]:
    """Who was there at the moment of each boot, and for a while after it.

    A replacement boots the moment its predecessor is gone, but the end is seen up to a second late. One pass in the
    order of time: a restart loop of days has thousands of boots.
    """
    unknown = [judgement for judgement in members if judgement.life.booted_at is None]
    found: dict[datetime | None, list[Judgement]] = {None: unknown}
    there: dict[int, Judgement] = {}
    boots = [(j.life.booted_at, index) for index, j in enumerate(members) if j.life.booted_at is not None]
    for moment, together in groupby(sorted(boots), key=lambda boot: boot[0]):
        there.update((index, members[index]) for _moment, index in together)
        there = {index: one for index, one in there.items() if _stays_at(one, moment)}
        found[moment] = [one for _index, one in sorted(there.items(), key=itemgetter(0))]
    return found


def _seen_s(judgements: list[Judgement]) -> float:
    return sum((j.blocked.seconds or 0.0) if j.blocked else 0.0 for j in judgements)


def _stays_at(judgement: Judgement, moment: datetime) -> bool:
    until = judgement.life.ended_at or judgement.life.last_seen_at
    return until is None or (until - moment).total_seconds() >= threshold("abort_grace_s")
