"""News of an incident while a watch runs: what a line, a log record or a counter is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gtdiag.model.report import Incident


@dataclass(frozen=True, slots=True)
class IncidentNotice:
    """An incident as it is known at a moment.

    `at`: when this became known, by the time of the events; None where those have no times.
    `revision`: 1 when the incident is told for the first time, more when what is known of it has changed.
    """

    at: datetime | None
    incident: Incident
    revision: int = 1
