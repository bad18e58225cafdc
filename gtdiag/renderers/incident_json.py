"""News of an incident to one flat JSON object, for those who read a watch line by line (`watch --json-events`)."""

from __future__ import annotations

from typing import Any

from gtdiag.model.incident_notice import IncidentNotice
from gtdiag.renderers.json_report import to_json_value

EVENT_NAME = "Incident"
"""What stands under "event", where events have the name of their class."""


def to_incident_json(notice: IncidentNotice) -> dict[str, Any]:
    """Return the object, its fields those of the report's incidents, without the stack and the evidence."""
    incident, blocked, request = notice.incident, notice.incident.blocked, notice.incident.request
    waiting = blocked.waiting_on if blocked is not None else None
    value = {
        "event": EVENT_NAME,
        "at": notice.at,
        "revision": notice.revision,
        "kind": incident.kind,
        "summary": incident.summary,
        "pid": incident.pid,
        "ordinal": incident.ordinal,
        "master_pid": incident.master_pid,
        "began_at": incident.at,
        "resolved_at": incident.resolved_at,
        "phase": incident.phase,
        "killed_by": incident.killed_by,
        "category": blocked.category if blocked is not None else None,
        "call": blocked.call if blocked is not None else None,
        "file": blocked.file if blocked is not None else None,
        "line": blocked.line if blocked is not None else None,
        "library": blocked.library if blocked is not None else None,
        "library_call": blocked.library_call if blocked is not None else None,
        "peer": waiting.peer if waiting is not None else None,
        "peer_name": waiting.peer_name if waiting is not None else None,
        "condition": waiting.condition if waiting is not None else None,
        "blocked_s": blocked.seconds if blocked is not None else None,
        "confidence": blocked.confidence if blocked is not None else None,
        "request_method": request.method if request is not None else None,
        "request_path": request.path if request is not None else None,
    }
    return {name: to_json_value(item) for name, item in value.items()}
