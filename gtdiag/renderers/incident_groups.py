"""Incidents to groups that read the same: one call blocked in four workers is shown once, with four pids."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from gtdiag.model.report import Blocked, Fleet, FleetCause, Incident

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class IncidentGroup:
    """Incidents of one replica, kind, phase and killer, blocked in the same call; in the order they happened."""

    incidents: tuple[Incident, ...]
    cause: FleetCause | None = None
    """In a fleet's report: what the incidents are examples of."""
    hosts: tuple[str, ...] = ()
    """In a fleet's report: the host of each incident; pids are those of one host."""

    @property
    def first(self) -> Incident:
        """The incident whose details stand for the group."""
        return self.incidents[0]

    @property
    def blames(self) -> tuple[Blocked, ...]:
        """The blames of the group's incidents, where there are any."""
        return tuple(incident.blocked for incident in self.incidents if incident.blocked is not None)

    @property
    def pids(self) -> tuple[int, ...]:
        """The pids of the group, each once."""
        return tuple(dict.fromkeys(incident.pid for incident in self.incidents if incident.pid is not None))

    @property
    def evidence(self) -> tuple[str, ...]:
        """The evidence of the group, each line once."""
        told = self.incidents if self.cause is None else self.incidents[:1]
        return tuple(dict.fromkeys(line for incident in told for line in incident.evidence))


def group_incidents(incidents: Iterable[Incident], fleet: Fleet | None = None) -> list[IncidentGroup]:
    """Return the groups in the order of their first incident, those with a blame before those without.

    `fleet`: that of the report, if it has one; the groups are then its causes.
    """
    if fleet is not None:
        return _group_by_cause(incidents, fleet)
    groups: dict[Hashable, list[Incident]] = {}
    for incident in incidents:
        groups.setdefault(_key(incident), []).append(incident)
    found = [IncidentGroup(tuple(members)) for members in groups.values()]
    return sorted(found, key=lambda group: group.first.blocked is None)


def _group_by_cause(incidents: Iterable[Incident], fleet: Fleet) -> list[IncidentGroup]:
    host_of = {example.incident: example.host for example in fleet.examples}
    by_id = {incident.id: incident for incident in incidents}
    return [
        IncidentGroup(
            tuple(by_id[name] for name in cause.examples),
            cause,
            tuple(host_of.get(name, "") for name in cause.examples),
        )
        for cause in fleet.causes
        if cause.examples
    ]


def _key(incident: Incident) -> Hashable:
    blocked = incident.blocked
    what: Hashable
    if blocked is None:
        what = _NUMBER.sub("N", incident.summary)
    else:
        what = (
            blocked.category,
            blocked.call,
            blocked.file,
            blocked.line,
            blocked.path,
            blocked.library,
            blocked.library_call,
            blocked.how,
            blocked.confidence,
            blocked.waiting_on and (blocked.waiting_on.kind, blocked.waiting_on.service),
        )
    request = incident.request and (incident.request.method, incident.request.path)
    return (
        incident.kind,
        incident.phase,
        incident.killed_by,
        incident.replica,
        incident.master_pid,
        incident.resolved_at is None,
        request,
        what,
    )
