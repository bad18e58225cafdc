"""Boots in a row of which nothing more is logged to a restart loop: gunicorn up to 20.0.4 says no more."""

from __future__ import annotations

from gtdiag.analysis.lives import MasterLife, WorkerLife
from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.model.report import Confidence, Pattern, PatternKind
from gtdiag.rules.thresholds import threshold


def match_boot_loop(group: MasterGroup) -> list[Pattern]:
    """Boots in a row, none of which got ready, with nothing logged of the ends: gunicorn up to 20.0.4 says no more."""
    lives = [
        j.life for j in group.judgements if j.kind is None and j.life.booted_at is not None and not j.life.seen_live
    ]
    lives.sort(key=lambda life: life.booted_at.timestamp() if life.booted_at else 0.0)
    run: list[WorkerLife] = []
    best: list[WorkerLife] = []
    for life in lives:
        previous = run[-1].booted_at if run else None
        if previous is not None and life.booted_at is not None:
            gap_s = (life.booted_at - previous).total_seconds()
            # Boots within one second are one generation, whether or not a carrier's stamps tell them apart.
            if not 1 <= gap_s <= threshold("boot_loop_gap_s"):
                run = []
        if life.ready_at is None and not life.exiting and life.death is None:
            run.append(life)
        else:
            run = []
        best = max(best, run, key=len).copy()
    if len(best) < threshold("boot_loop_boots") or _was_told_to_add_workers(group.master):
        return []
    first, last = best[0].booted_at, best[-1].booted_at
    period_s = round((last - first).total_seconds() / (len(best) - 1), 1) if first and last else None
    return [
        Pattern(
            kind=PatternKind.RESTART_LOOP,
            summary=f"{len(best)} workers booted in a row and none got ready; nothing is logged of their ends",
            confidence=Confidence.MEDIUM,
            pids=tuple(life.pid for life in best),
            master_pid=group.master_pid,
            cycles=len(best) - 1,
            period_s=period_s,
        )
    ]


def _was_told_to_add_workers(master: MasterLife | None) -> bool:
    return master is not None and any(name in ("ttin", "hup") for _, name in master.signals)
