"""Events and reports of one watch to the figures that are told of it; their number is bounded, whatever happens.

Workers have figures of their own only while they are alive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gtdiag import __version__
from gtdiag.analysis.blocked_time import BlockedTime, is_blocked
from gtdiag.model import events
from gtdiag.model.identity import WorkerId
from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.model.metrics import MetricFamily, MetricSample, OwnCost
from gtdiag.model.report import IncidentKind, Report, WorkerEnd
from gtdiag.rules.metric_catalog import read_metric_catalog

_MAX_GAPS = 100
_PHASES = ("startup", "serving", "unknown")
_Figures = dict[str, dict[tuple[str, ...], float]]


@dataclass(slots=True)
class _LivingWorker:
    master_pid: int | None
    heartbeat_age_s: float | None = None
    ever: bool | None = None
    rss_bytes: int | None = None

    @property
    def phase(self) -> str:
        return "unknown" if self.ever is None else "serving" if self.ever else "startup"


class MetricFold:
    """Takes every event, and the reports and news drawn from them; gives the figures at any time."""

    def __init__(self) -> None:
        self._started_at: datetime | None = None
        self._last_at: datetime | None = None
        self._over = False
        self._masters: dict[int, events.MasterSettings | None] = {}
        self._workers: dict[WorkerId, _LivingWorker] = {}
        self._gaps: set[tuple[str, str]] = set()
        self._events = self._boots = self._exits = 0
        self._timeouts: Counter[str] = Counter()
        self._incidents: Counter[str] = Counter()
        self._causes: Counter[tuple[str, str]] = Counter()
        self._blocked_time = BlockedTime()
        self._blocked_now: Counter[str] = Counter()
        self._open: Counter[str] = Counter()

    def add(self, event: events.Event) -> None:
        """Take the next event."""
        self._events += 1
        if event.at is not None:
            self._last_at = max(self._last_at or event.at, event.at)
        if isinstance(event, events.ObservationStarted):
            self._started_at = event.at
            if event.pid is not None:
                self._masters[event.pid] = None
        elif isinstance(event, events.ObservationEnded):
            self._over = True
            self._workers.clear()
            self._masters.clear()
        elif isinstance(event, events.MasterSettings) and event.master_pid is not None:
            self._masters[event.master_pid] = event
        elif isinstance(event, events.MasterGone):
            self._masters.pop(event.master_pid or 0, None)
            self._workers = {
                worker: living
                for worker, living in self._workers.items()
                if self._masters and living.master_pid != event.master_pid
            }
        elif isinstance(event, events.CollectionGap) and len(self._gaps) < _MAX_GAPS:
            self._gaps.add((event.what, event.why))
        elif event.worker is not None and event.origin.source != "log":
            self._add_worker_event(event, event.worker)

    def _add_worker_event(self, event: events.Event, worker: WorkerId) -> None:
        """What the processes show; the log tells of the same boots and ends, later and less surely."""
        if isinstance(event, events.WorkerBooted):
            self._workers.setdefault(worker, _LivingWorker(event.master_pid))
            if event.at is not None and self._started_at is not None and event.at >= self._started_at:
                self._boots += 1
        elif isinstance(event, events.WorkerExited):
            self._exits += self._workers.pop(worker, None) is not None
        elif worker in self._workers:
            living = self._workers[worker]
            if isinstance(event, events.HeartbeatSample):
                living.heartbeat_age_s, living.ever = event.age_s, event.ever
            elif isinstance(event, events.ProcessSample):
                living.rss_bytes = event.rss_bytes

    def read(self, report: Report, news: Iterable[IncidentNotice] = ()) -> None:
        """Take a report of the events until now, and the news in it."""
        for notice in news:
            if notice.revision == 1:
                self._count_incident(notice)
        self._blocked_time.read(report)
        alive = [worker for worker in report.workers if worker.end is WorkerEnd.RUNNING]
        lives = {(worker.pid, worker.ordinal) for worker in alive}
        self._blocked_now = Counter(w.blocked.category.value for w in alive if w.blocked is not None and is_blocked(w))
        self._open = Counter(
            incident.kind.value
            for incident in report.incidents
            if incident.resolved_at is None
            and (incident.kind is IncidentKind.MASTER_HANG or (incident.pid, incident.ordinal) in lives)
            and incident.kind in _GOES_ON
        )

    def _count_incident(self, notice: IncidentNotice) -> None:
        incident = notice.incident
        self._incidents[incident.kind.value] += 1
        category = incident.blocked.category.value if incident.blocked is not None else "none"
        self._causes[incident.kind.value, category] += 1
        if incident.kind is IncidentKind.WORKER_TIMEOUT:
            self._timeouts[incident.phase.value if incident.phase is not None else "unknown"] += 1

    def families(self, cost: OwnCost, dropped: Mapping[str, int]) -> tuple[MetricFamily, ...]:
        """All figures as they are now. `dropped`: what could not be handed on, by exporter."""
        figures = self._of_masters() | self._of_workers() | self._of_incidents() | self._of_itself(cost, dropped)
        return tuple(
            MetricFamily(spec, tuple(MetricSample(labels, float(value)) for labels, value in figures[name].items()))
            for name, spec in read_metric_catalog().items()
        )

    def _of_masters(self) -> _Figures:
        known = {pid: settings for pid, settings in self._masters.items() if settings is not None}
        latest = next(reversed(list(known.values())), None)
        expected = [settings.workers for settings in known.values() if settings.workers is not None]
        timeout_s = latest.timeout_s if latest is not None else None
        return {
            "masters": {(): len(self._masters)},
            "master_info": {
                (str(pid), settings.version or "", settings.worker_class or ""): 1 for pid, settings in known.items()
            },
            "timeout": {} if timeout_s is None else {(): timeout_s},
            "workers_expected": {(): sum(expected)} if expected else {},
        }

    def _of_workers(self) -> _Figures:
        phases = Counter(living.phase for living in self._workers.values())
        return {
            "workers": {} if self._over else {(phase,): phases[phase] for phase in _PHASES},
            "worker_heartbeat_age": {
                (str(worker.pid),): living.heartbeat_age_s
                for worker, living in self._workers.items()
                if living.heartbeat_age_s is not None
            },
            "worker_resident_memory": {
                (str(worker.pid),): living.rss_bytes
                for worker, living in self._workers.items()
                if living.rss_bytes is not None
            },
            "workers_blocked": {} if self._over else {(category,): n for category, n in self._blocked_now.items()},
            "worker_boots": {(): self._boots},
            "worker_exits": {(): self._exits},
            "blocked": {cause: round(seconds, 3) for cause, seconds in self._blocked_time.seconds.items()},
        }

    def _of_incidents(self) -> _Figures:
        # From zero on: a counter that appears with its first 1 has not increased, for whoever asks by how much.
        return {
            "open_incidents": {} if self._over else {(kind.value,): self._open[kind.value] for kind in _GOES_ON},
            "worker_timeouts": {(phase,): self._timeouts[phase] for phase in _PHASES},
            "incidents": {(kind.value,): self._incidents[kind.value] for kind in IncidentKind},
            "incident_causes": {cause: float(count) for cause, count in self._causes.items()},
        }

    def _of_itself(self, cost: OwnCost, dropped: Mapping[str, int]) -> _Figures:
        return {
            "build_info": {(__version__,): 1},
            "watching": {(): not self._over},
            "last_event_timestamp": {} if self._last_at is None else {(): self._last_at.timestamp()},
            "gaps": {(what,): n for what, n in Counter(what for what, _why in self._gaps).items()},
            "events": {(): self._events},
            "export_dropped": {(exporter,): n for exporter, n in dropped.items()},
            "process_cpu": {(): round(cost.cpu_s, 2)},
            "process_resident_memory": {} if cost.rss_bytes is None else {(): cost.rss_bytes},
        }


_GOES_ON = (IncidentKind.STARTUP_HANG, IncidentKind.WORKER_TIMEOUT, IncidentKind.MASTER_HANG)
"""Incidents that last; the others are over when they happen."""
