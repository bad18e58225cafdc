"""Workers that are serving and whose resident memory grows all the time to their growth."""

from __future__ import annotations

from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import count_of
from gtdiag.model.report import Confidence, Pattern, PatternKind, Phase
from gtdiag.rules.thresholds import threshold


def match_memory_growth(group: MasterGroup) -> list[Pattern]:
    """Workers that are serving and whose resident memory grows all the time."""
    growing = [
        j
        for j in group.judgements
        if j.phase is Phase.SERVING
        and not j.life.ended
        and (j.life.growth_bytes_per_s() or 0.0) >= threshold("memory_growth_bytes_per_s")
        and j.life.memory_sampled_s() >= threshold("memory_growth_min_s")
    ]
    if not growing:
        return []
    fastest = max(j.life.growth_bytes_per_s() or 0.0 for j in growing)
    return [
        Pattern(
            kind=PatternKind.MEMORY_GROWTH,
            summary=f"the memory of {count_of(len(growing), 'worker')} grows by {fastest / 1048576:.1f} MiB a second",
            confidence=Confidence.MEDIUM,
            pids=tuple(j.life.pid for j in growing),
            master_pid=group.master_pid,
        )
    ]
