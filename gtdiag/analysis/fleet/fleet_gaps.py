"""Gaps of single hosts to gaps of the fleet: what reads the same is said once, with the number of hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from gtdiag.analysis.fleet.causes import order_of_time
from gtdiag.analysis.wording import count_of
from gtdiag.model.partial import SourcePart
from gtdiag.model.report import Gap, UnreadSource

MAX_GAPS = 100
_MAX_NAMES = 3
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def draw_fleet_gaps(
    parts: Sequence[SourcePart], unread: Sequence[UnreadSource], hosts: Mapping[str, str]
) -> tuple[Gap, ...]:
    """What could not be seen, the unread sources first; of very many kinds, the last ones are counted."""
    gaps = [*_of_unread(unread), *_of_doubles(parts, hosts), *_of_hosts(parts, hosts)]
    if len(gaps) <= MAX_GAPS:
        return tuple(gaps)
    return (*gaps[: MAX_GAPS - 1], Gap("gaps", f"{len(gaps) - MAX_GAPS + 1} more kinds of gaps are not listed"))


def _of_unread(unread: Sequence[UnreadSource]) -> Iterator[Gap]:
    if not unread:
        return
    shown = "; ".join(one.why for one in unread[:_MAX_NAMES])
    more = f"; and {len(unread) - _MAX_NAMES} more" if len(unread) > _MAX_NAMES else ""
    yield Gap(
        "sources",
        f"{count_of(len(unread), 'source')} could not be read and {'is' if len(unread) == 1 else 'are'} in no figure: "
        f"{shown}{more}",
        "fleet.unread in --format json lists each",
    )


def _of_doubles(parts: Sequence[SourcePart], hosts: Mapping[str, str]) -> Iterator[Gap]:
    """A master that is in two sources, a recording and its log, is counted in both: nothing tells which lines are."""
    seen: dict[tuple[str, int], list[SourcePart]] = {}
    for part in parts:
        for pid in part.master_pids:
            seen.setdefault((hosts[part.key], pid), []).append(part)
    doubled: dict[str, tuple[str, ...]] = {}
    for (host, _), members in seen.items():
        if len(members) > 1 and any(_overlap(one, other) for one in members for other in members if one is not other):
            doubled.setdefault(host, tuple(sorted(file for part in members for file in part.files)))
    if doubled:
        listed = "; ".join(f"{host} ({', '.join(files[:2])})" for host, files in sorted(doubled.items())[:_MAX_NAMES])
        more = f"; and {len(doubled) - _MAX_NAMES} more" if len(doubled) > _MAX_NAMES else ""
        yield Gap(
            "double",
            f"of {count_of(len(doubled), 'host')} the same master is in several sources of the same time, and its "
            f"incidents are counted in each: {listed}{more}",
            "give either the recording or the log of a host",
        )


def _overlap(one: SourcePart, other: SourcePart) -> bool:
    starts, ends = (one.period.start, other.period.start), (one.period.end, other.period.end)
    if any(at is None for at in (*starts, *ends)):
        return True
    return max(starts, key=order_of_time) < min(ends, key=order_of_time)  # type: ignore[operator]


def _of_hosts(parts: Sequence[SourcePart], hosts: Mapping[str, str]) -> Iterator[Gap]:
    groups: dict[tuple[str, str, str], list[tuple[str, Gap]]] = {}
    for part in sorted(parts, key=lambda part: (hosts[part.key], part.key)):
        for gap in part.gaps:
            why = gap.why
            for file in part.files:
                why = why.replace(file, "")
            key = (gap.what, _NUMBER.sub("", why), _NUMBER.sub("", gap.hint))
            groups.setdefault(key, []).append((hosts[part.key], gap))
    for (what, _, _), members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        names = list(dict.fromkeys(host for host, _ in members))
        first = members[0][1]
        if len(members) == 1:
            yield Gap(what, f"{first.why} ({names[0]})", first.hint)
        else:
            yield Gap(
                what, f"{first.why} ({names[0]}, and the like of {count_of(len(names), 'host')} in all)", first.hint
            )
