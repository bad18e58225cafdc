"""Patterns of single hosts to patterns of the fleet: of one kind and call, each is told once, with its hosts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from gtdiag.analysis.fleet.causes import least_sure
from gtdiag.analysis.wording import count_of
from gtdiag.model.partial import SourcePart
from gtdiag.model.report import Pattern, PatternKind

_MAX_EVIDENCE = 3
_MAX_NAMES = 5


def merge_patterns(parts: Sequence[SourcePart], hosts: Mapping[str, str], of_hosts: int) -> tuple[Pattern, ...]:
    """The patterns in the order of their kinds, those on the most hosts first. Pids stay with their hosts: none here.

    `hosts`: what the host of each source is called, by the source's key.
    """
    groups: dict[Hashable, list[tuple[str, Pattern]]] = {}
    for part in sorted(parts, key=lambda part: (hosts[part.key], part.key)):
        for pattern in part.patterns:
            key = (pattern.kind, pattern.category, pattern.call, pattern.coroutine)
            groups.setdefault(key, []).append((hosts[part.key], pattern))
    order = list(PatternKind)
    merged = sorted(
        groups.values(),
        key=lambda members: (order.index(members[0][1].kind), -len({host for host, _ in members}), members[0][0]),
    )
    return tuple(_merge(members, of_hosts) for members in merged)


def _merge(members: Sequence[tuple[str, Pattern]], of_hosts: int) -> Pattern:
    names = list(dict.fromkeys(host for host, _ in members))
    first_host, first = members[0]
    listed = ", ".join(names[:_MAX_NAMES]) + (f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else "")
    cycles = [pattern.cycles for _, pattern in members if pattern.cycles is not None]
    of_workers = [pattern.of_workers for _, pattern in members if pattern.of_workers is not None]
    periods = {pattern.period_s for _, pattern in members}
    where = f"on {len(names)} of {count_of(of_hosts, 'host')} ({listed})"
    return replace(
        first,
        summary=f"{where}; {first_host}: {first.summary}",
        confidence=least_sure(pattern.confidence for _, pattern in members),
        pids=(),
        master_pid=None,
        cycles=sum(cycles) if cycles else None,
        period_s=periods.pop() if len(periods) == 1 else None,
        of_workers=sum(of_workers) if of_workers else None,
        evidence=tuple(f"{first_host}: {line}" for line in first.evidence[:_MAX_EVIDENCE]),
    )
