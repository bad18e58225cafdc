"""All partial analyses of a fleet, merged, to its report: causes over hosts, ranked, with examples and counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

from gtdiag import __version__
from gtdiag.analysis.fleet.causes import (
    add_counts,
    earliest,
    latest,
    least_sure,
    order_of_key,
    order_of_time,
)
from gtdiag.analysis.fleet.fleet_gaps import draw_fleet_gaps
from gtdiag.analysis.fleet.fleet_patterns import merge_patterns
from gtdiag.analysis.fleet.verdict import say_cause, say_fleet
from gtdiag.analysis.verdict import remedies_for
from gtdiag.model.partial import CauseKey, CausePart, Example, Partial, SourcePart
from gtdiag.model.report import (
    Category,
    Fleet,
    FleetCause,
    FleetExample,
    FleetSource,
    GunicornFacts,
    Incident,
    Pattern,
    Period,
    Remedy,
    Report,
    Source,
    UnreadSource,
    Verdict,
)
from gtdiag.rules.rule_set import RuleSet, read_rule_set

MAX_CAUSES_WITH_EXAMPLES = 50
"""The rest are counted, with their hosts and times, and without incidents in full."""

_MAX_CAUSES_WITH_REMEDIES = 3
_MAX_REMEDIES = 6

_OF_ONE_MASTER = frozenset({"master_pid", "started_at", "ended_at", "stream", "settings_source"})


def conclude(partial: Partial, rules: RuleSet | None = None) -> Report:
    """The report of all sources of a merged partial. The same for any way in which it was merged."""
    read = [part for part in partial.parts if part.problem is None]
    unread = tuple(UnreadSource(part.files, part.problem) for part in partial.parts if part.problem is not None)
    names = _names_of(read)
    hosts = {part.key: names[part.key] for part in read}
    examples_of = _group_examples(partial.examples)
    found = _rank(read)
    of_workers, of_hosts = sum(part.workers for part in read), len(set(hosts.values()))
    causes: list[FleetCause] = []
    incidents: list[Incident] = []
    by_cause: list[list[Incident]] = []
    located: list[FleetExample] = []
    by_key = {part.key: part for part in read}
    for number, (key, members) in enumerate(found, start=1):
        examples = examples_of.get(key, []) if number <= MAX_CAUSES_WITH_EXAMPLES else []
        ids = []
        for example in examples:
            ids.append(f"i{len(incidents) + 1}")
            host = hosts[example.source]
            incidents.append(replace(example.incident, id=ids[-1]))
            located.append(FleetExample(ids[-1], host, by_key[example.source].deployment, f"c{number}"))
        cause = _draw_cause(f"c{number}", key, members, hosts, by_key, of_workers, of_hosts, tuple(ids))
        first = examples_of[key][0].incident if examples_of.get(key) else None
        by_cause.append(incidents[len(incidents) - len(ids) :])
        causes.append(replace(cause, summary=say_cause(cause, first)))
    gaps = draw_fleet_gaps(read, unread, hosts)
    patterns = merge_patterns(read, hosts, of_hosts)
    facts = _common_facts(read)
    summary, confidence = say_fleet(causes, hosts=of_hosts, workers=of_workers, unread=len(unread), gaps=gaps)
    counted = sum(part.incidents for part in read)
    causes_of = _causes_by_source(found)
    return Report(
        gtdiag_version=__version__,
        source=Source("fleet", None, tuple(file for part in partial.parts for file in part.files)),
        gunicorn=facts,
        period=Period(earliest(part.period.start for part in read), latest(part.period.end for part in read)),
        workers=(),
        incidents=tuple(incidents),
        patterns=patterns,
        verdict=Verdict(summary, confidence, _remedies(by_cause, patterns, facts, rules)),
        gaps=gaps,
        fleet=Fleet(
            hosts=of_hosts,
            workers=of_workers,
            incidents=counted,
            incidents_left_out=counted - len(incidents),
            deployments=tuple(sorted({part.deployment for part in read if part.deployment})),
            causes=tuple(causes),
            sources=tuple(
                FleetSource(
                    host=hosts[part.key],
                    deployment=part.deployment,
                    kind=part.kind,
                    files=part.files,
                    gunicorn=part.gunicorn,
                    period=part.period,
                    workers=part.workers,
                    lives=part.lives,
                    incidents=part.incidents,
                    affected_workers=part.affected_workers,
                    first_at=earliest(cause.first_at for cause in part.causes),
                    last_at=latest(cause.last_at for cause in part.causes),
                    causes=tuple(causes_of.get(part.key, ())),
                )
                for part in sorted(read, key=lambda part: (hosts[part.key], part.key))
            ),
            examples=tuple(located),
            unread=unread,
        ),
    )


def _remedies(
    by_cause: Sequence[Sequence[Incident]], patterns: Sequence[Pattern], facts: GunicornFacts, rules: RuleSet | None
) -> tuple[Remedy, ...]:
    """Those of the leading causes first; each once, said of the first cause that it fits."""
    rules = rules or read_rule_set()
    chosen: dict[str, Remedy] = {}
    for members in by_cause[:_MAX_CAUSES_WITH_REMEDIES]:
        calls = {incident.blocked.call for incident in members if incident.blocked is not None}
        own = [pattern for pattern in patterns if pattern.call is not None and pattern.call in calls]
        for remedy in remedies_for(members, own, facts, rules):
            chosen.setdefault(remedy.id, remedy)
    incidents = [incident for members in by_cause for incident in members]
    for remedy in remedies_for(incidents, patterns, facts, rules) if incidents or patterns else ():
        chosen.setdefault(remedy.id, remedy)
    return tuple(chosen.values())[:_MAX_REMEDIES]


def _names_of(parts: Sequence[SourcePart]) -> dict[str, str]:
    """What each source's host is called; a name never stands for two hosts of different deployments."""
    deployments: dict[str, set[str | None]] = {}
    for part in parts:
        deployments.setdefault(part.host, set()).add(part.deployment)
    return {
        part.key: f"{part.deployment}/{part.host}" if part.deployment and len(deployments[part.host]) > 1 else part.host
        for part in parts
    }


def _group_examples(examples: Iterable[Example]) -> dict[CauseKey, list[Example]]:
    groups: dict[CauseKey, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.cause, []).append(example)
    for members in groups.values():
        # For a reader in the order of time; which ones are kept was decided when they were merged.
        members.sort(key=lambda one: (order_of_time(one.incident.at), one.source, one.rank))
    return groups


def _rank(parts: Sequence[SourcePart]) -> list[tuple[CauseKey, list[tuple[SourcePart, CausePart]]]]:
    """The causes, those that befell the most workers first."""
    found: dict[CauseKey, list[tuple[SourcePart, CausePart]]] = {}
    for part in parts:
        for cause in part.causes:
            found.setdefault(cause.key, []).append((part, cause))

    def order(item: tuple[CauseKey, list[tuple[SourcePart, CausePart]]]) -> tuple[Any, ...]:
        key, members = item
        workers = sum(cause.workers for _, cause in members)
        return (-workers, -sum(cause.incidents for _, cause in members), order_of_key(key))

    return sorted(found.items(), key=order)


def _draw_cause(
    id: str,
    key: CauseKey,
    members: Sequence[tuple[SourcePart, CausePart]],
    hosts: dict[str, str],
    parts: dict[str, SourcePart],
    of_workers: int,
    of_hosts: int,
    examples: tuple[str, ...],
) -> FleetCause:
    causes = [cause for _, cause in members]
    return FleetCause(
        id=id,
        summary="",
        category=Category(key.category) if key.category is not None else None,
        call=key.call,
        library=key.library,
        kinds=add_counts(count for cause in causes for count in cause.kinds),
        incidents=sum(cause.incidents for cause in causes),
        workers=sum(cause.workers for cause in causes),
        of_workers=of_workers,
        hosts=tuple(sorted({hosts[part.key] for part, _ in members})),
        of_hosts=of_hosts,
        deployments=tuple(sorted({part.deployment for part, _ in members if part.deployment})),
        first_at=earliest(cause.first_at for cause in causes),
        last_at=latest(cause.last_at for cause in causes),
        in_startup=sum(cause.in_startup for cause in causes),
        resolved=sum(cause.resolved for cause in causes),
        longest_s=max((cause.longest_s for cause in causes if cause.longest_s is not None), default=None),
        peers=add_counts(count for cause in causes for count in cause.peers),
        confidence=least_sure(cause.confidence for cause in causes),
        examples=examples,
    )


def _causes_by_source(
    found: Sequence[tuple[CauseKey, Sequence[tuple[SourcePart, CausePart]]]],
) -> dict[str, list[str]]:
    causes_of: dict[str, list[str]] = {}
    for number, (_, members) in enumerate(found, start=1):
        for part, _ in members:
            causes_of.setdefault(part.key, []).append(f"c{number}")
    return causes_of


def _common_facts(parts: Sequence[SourcePart]) -> GunicornFacts:
    """What is the same on every host that tells of it; the rest is not known of the fleet as a whole."""
    common: dict[str, Any] = {}
    for field in fields(GunicornFacts):
        if field.name in _OF_ONE_MASTER:
            continue
        values = {value for part in parts if (value := getattr(part.gunicorn, field.name)) is not None}
        if len(values) == 1:
            common[field.name] = values.pop()
    return GunicornFacts(**common)
