"""Synchronous calls made inside `async def` to the event loops that stand still with them."""

from __future__ import annotations

from collections import defaultdict

from gtdiag.analysis.judging import Judgement
from gtdiag.analysis.patterns.group import MasterGroup, best_blame
from gtdiag.analysis.wording import name_call
from gtdiag.model.report import IncidentKind, Pattern, PatternKind
from gtdiag.rules.categories import WAITING_CATEGORIES


def match_blocking_call_in_event_loop(group: MasterGroup) -> list[Pattern]:
    """A synchronous call made inside `async def`: the whole event loop of the worker stands still with it."""
    standing = [
        j
        for j in group.judgements
        if j.kind in (IncidentKind.WORKER_TIMEOUT, IncidentKind.STARTUP_HANG)
        and j.blocked is not None
        and j.blocked.category in WAITING_CATEGORIES
        and j.life.tally.in_event_loop()
    ]
    by_call: dict[tuple[str, str | None], list[Judgement]] = defaultdict(list)
    for judgement in standing:
        assert judgement.blocked is not None
        by_call[name_call(judgement.blocked), judgement.life.tally.blocking_coroutine()].append(judgement)
    return [
        Pattern(
            kind=PatternKind.BLOCKING_CALL_IN_EVENT_LOOP,
            summary=f"{_who_blocks(call, coroutine)} inside the event loop: nothing else in the worker runs meanwhile",
            confidence=best_blame(members).confidence,
            pids=tuple(j.life.pid for j in members),
            master_pid=group.master_pid,
            category=best_blame(members).category,
            call=call,
            coroutine=coroutine,
        )
        for (call, coroutine), members in by_call.items()
    ]


def _who_blocks(call: str, coroutine: str | None) -> str:
    if coroutine is None or coroutine == call:
        return f"{call} makes a blocking call"
    return f"the coroutine {coroutine} calls {call}, which blocks,"
