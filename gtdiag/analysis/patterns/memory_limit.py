"""Memory in use, and the limit of the cgroup, to how near the kernel's OOM killer is."""

from __future__ import annotations

from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import bytes_in_words, count_of
from gtdiag.model.report import Confidence, KilledBy, Pattern, PatternKind
from gtdiag.rules.thresholds import threshold


def match_memory_limit(group: MasterGroup) -> list[Pattern]:
    """The cgroup's limit is nearly used up, or its workers were killed at it."""
    seen = group.judge.observation
    limit, used = seen.memory_limit_bytes, seen.memory_used_most_bytes
    if group.master is None or not group.master.live or limit is None or used is None:
        return []
    killed = [j for j in group.judgements if j.killed_by is KilledBy.KERNEL_OOM]
    if any(wording.startswith("Out of memory") for wording in seen.kernel_wordings.values()):
        killed = []  # the host ran out, not the cgroup
    share = used / limit
    if share < threshold("memory_limit_share") and not killed:
        return []
    words = f"{bytes_in_words(used)} of the {bytes_in_words(limit)} that the cgroup allows were in use ({share:.0%})"
    if killed:
        # A sample every few seconds misses the last moment before a kill, so it says little then.
        words = f"the kernel killed {count_of(len(killed), 'worker')} at the cgroup's limit of {bytes_in_words(limit)}"
        most = max((j.life.rss_bytes or 0 for j in killed), default=0)
        words += f"; the last sample saw {bytes_in_words(most)} resident" if most else ""
    living = [j.life for j in group.judgements if not j.life.ended and (j.life.rss_bytes or 0) > 0]
    evidence = [
        f"worker {life.pid}: {bytes_in_words(life.uss_bytes or life.rss_bytes or 0)}"
        + (" of its own" if life.uss_bytes else " resident")
        + (f", at most {bytes_in_words(life.peak_rss_bytes)} resident" if life.peak_rss_bytes else "")
        for life in sorted(living, key=lambda life: -(life.uss_bytes or life.rss_bytes or 0))[:4]
    ]
    return [
        Pattern(
            kind=PatternKind.MEMORY_LIMIT,
            summary=words,
            confidence=Confidence.HIGH if seen.kernel_wordings or not killed else Confidence.MEDIUM,
            pids=tuple(j.life.pid for j in killed) or tuple(life.pid for life in living),
            master_pid=group.master_pid,
            evidence=tuple(evidence),
        )
    ]
