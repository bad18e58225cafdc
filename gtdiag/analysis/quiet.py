"""A report to whether nothing but its figures can change, until something else than a routine sample is seen."""

from __future__ import annotations

from gtdiag.model.events import SAMPLES, Event, HealthSample
from gtdiag.model.report import Incident, IncidentKind, Phase, Report, WorkerEnd


def is_routine(event: Event) -> bool:
    """Whether it is what comes again and again while all is well: no look, no line of the log, no change of health."""
    return isinstance(event, SAMPLES) or (isinstance(event, HealthSample) and not event.changed)


def is_quiet(report: Report) -> bool:
    """Whether routine samples alone bring nothing new: nobody is blocked or starting up, and every incident is over.

    An hour after an incident all may be as well as before it.
    """
    running = [worker for worker in report.workers if worker.end is WorkerEnd.RUNNING]
    if any(worker.blocked is not None or worker.phase is Phase.STARTUP for worker in running):
        return False
    alive = {(worker.pid, worker.ordinal) for worker in running}
    return all(_is_over(incident, alive) for incident in report.incidents)


def _is_over(incident: Incident, alive: set[tuple[int, int]]) -> bool:
    if incident.resolved_at is not None:
        return True
    return incident.kind is not IncidentKind.MASTER_HANG and (incident.pid, incident.ordinal) not in alive
