"""The classes of events, and what a line about an incident holds, to the published JSON Schema of `--json-events`.

python -m tests.event_schema writes gtdiag/renderers/schema/event.schema.json.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from datetime import datetime
from typing import Any

from gtdiag.model.events import EVENT_CLASSES
from gtdiag.model.report import Category, Confidence, IncidentKind, KilledBy, Phase
from gtdiag.renderers.incident_json import EVENT_NAME
from tests.environments import REPOSITORY

FILE = REPOSITORY / "gtdiag" / "renderers" / "schema" / "event.schema.json"

_TIME = {"type": "string", "format": "date-time"}
_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: _TIME,
}
_INCIDENT: dict[str, Any] = {
    "at": datetime | None,
    "revision": int,
    "kind": IncidentKind,
    "summary": str,
    "pid": int | None,
    "ordinal": int | None,
    "master_pid": int | None,
    "began_at": datetime | None,
    "resolved_at": datetime | None,
    "phase": Phase | None,
    "killed_by": KilledBy,
    "category": Category | None,
    "call": str | None,
    "file": str | None,
    "line": int | None,
    "library": str | None,
    "library_call": str | None,
    "peer": str | None,
    "peer_name": str | None,
    "condition": str | None,
    "blocked_s": float | None,
    "confidence": Confidence | None,
    "request_method": str | None,
    "request_path": str | None,
}


def render_schema() -> str:
    """The schema as text."""
    definitions: dict[str, Any] = {}
    alternatives = [_event(cls, definitions) for cls in EVENT_CLASSES]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "gtdiag.event/1",
        "title": "One line of gtdiag watch --json-events",
        "description": "An event, named by its class under 'event', or an incident. A field that is missing has its "
        "default: null, 0, false, an empty list or text (a resolution_s of 1).",
        "type": "object",
        "required": ["event"],
        "oneOf": [*alternatives, _incident()],
        "$defs": definitions,
    }
    return json.dumps(schema, indent=2) + "\n"


def _event(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    value = _object(cls, definitions)
    value["properties"] = {"event": {"const": cls.__name__}, **value["properties"]}
    value["required"] = ["event", *value["required"]]
    return {"description": (cls.__doc__ or "").partition("\n")[0], **value}


def _incident() -> dict[str, Any]:
    properties = {name: _type(annotation, {}) for name, annotation in _INCIDENT.items()}
    return {
        "description": "An incident, a few seconds after it happened; once more, with a higher revision, when what is "
        "known of it has changed.",
        "type": "object",
        "properties": {"event": {"const": EVENT_NAME}, **properties},
        "required": ["event", *properties],
    }


def _object(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    return {
        "type": "object",
        "properties": {field.name: _type(hints[field.name], definitions) for field in fields},
        "required": [field.name for field in fields if field.default is dataclasses.MISSING],
    }


def _type(annotation: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        members = [_type(one, definitions) for one in typing.get_args(annotation) if one is not type(None)]
        return {"anyOf": [*members, {"type": "null"}]}
    if typing.get_origin(annotation) is tuple:
        return {"type": "array", "items": _type(typing.get_args(annotation)[0], definitions)}
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return {"enum": [member.value for member in annotation]}
    if annotation.__name__ not in definitions:
        definitions[annotation.__name__] = {}
        definitions[annotation.__name__] = _object(annotation, definitions)
    return {"$ref": f"#/$defs/{annotation.__name__}"}


if __name__ == "__main__":
    FILE.write_text(render_schema(), encoding="utf-8")
