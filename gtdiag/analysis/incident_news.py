"""Successive reports of one watch to news of incidents: each told once, and again when what is known has changed."""

from __future__ import annotations

from datetime import datetime, timedelta

from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.report import Incident, Report
from gtdiag.rules.thresholds import threshold

MAX_REVISIONS = 5
"""A worker that hangs for hours in one call after another is no reason to tell of it for ever."""

_Key = tuple[int | None, int | None, int | None, datetime | None]
_Known = tuple[object, ...]


class IncidentNews:
    """Remembers what was told. It holds no more than the incidents of the last report."""

    def __init__(self) -> None:
        self._told: dict[_Key, tuple[_Known, int]] = {}
        self.waiting = False
        """Whether an incident of the last report is not told yet, until more is known of it."""

    def read(self, report: Report, *, final: bool = False) -> tuple[IncidentNotice, ...]:
        """Return what is new in a report. `final`: no later one follows, so nothing waits for more evidence."""
        now = report.period.end
        told: dict[_Key, tuple[_Known, int]] = {}
        news = []
        self.waiting = False
        for incident in report.incidents:
            key, known = _key_of(incident), _known_of(incident)
            earlier = self._told.get(key)
            if earlier is None and not final and not _has_settled(incident, now):
                self.waiting = True
                continue
            said, revision = earlier or ((), 0)
            if said != known and revision < MAX_REVISIONS:
                revision += 1
                news.append(IncidentNotice(now, incident, revision))
            told[key] = (known, revision)
        self._told = told
        return tuple(news)


def _key_of(incident: Incident) -> _Key:
    # What happened to no known worker is told apart by its time.
    return (incident.master_pid, incident.pid, incident.ordinal, incident.at if incident.ordinal is None else None)


def _known_of(incident: Incident) -> _Known:
    blocked = incident.blocked
    cause = None if blocked is None else (blocked.category, blocked.call)
    return (incident.kind, incident.killed_by, incident.resolved_at is not None, cause)


def _has_settled(incident: Incident, now: datetime | None) -> bool:
    """Whether who killed it, and the traceback it left, had time to arrive."""
    if incident.at is None or now is None:
        return True
    return now - incident.at >= timedelta(seconds=threshold("incident_settles_s"))
