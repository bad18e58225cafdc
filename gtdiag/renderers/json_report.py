"""A report to the published JSON, `gtdiag.report/1`, field for field as the model has it."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from datetime import datetime
from importlib import resources
from typing import Any

from gtdiag.model.report import Report
from gtdiag.renderers.escaping import escape_text

_DECIMALS = 3
"""Milliseconds and permille are finer than anything that is measured."""

SCHEMA_FILES = {
    "report": "report.schema.json",
    "ps": "ps.schema.json",
    "doctor": "doctor.schema.json",
    "compare": "compare.schema.json",
    "event": "event.schema.json",
}


def render_json(report: Report) -> str:
    """Return the report as one JSON document, pure ASCII, ending in a newline."""
    value = {"schema": report.schema, **to_json_value(report)}
    if report.fleet is None:
        del value["fleet"]  # a report of one source has no such section
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def read_schema(name: str = "report") -> str:
    """Return the published JSON Schema of a document ("report", "ps", "doctor", "compare", "event") as text."""
    return (
        resources.files("gtdiag.renderers").joinpath("schema").joinpath(SCHEMA_FILES[name]).read_text(encoding="utf-8")
    )


def to_json_value(value: Any) -> Any:
    """Return what `json.dumps` writes for a value of the model: times as ISO 8601 with offset, members by value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json_value(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return [to_json_value(item) for item in value]
    if isinstance(value, float):
        return round(value, _DECIMALS) if math.isfinite(value) else None
    if isinstance(value, str):
        return _without_surrogates(value)
    return value


def _without_surrogates(text: str) -> str:
    """JSON has no way to say a lone surrogate that every reader accepts, so those are written as visible escapes."""
    if text.isascii():
        return text
    return "".join(escape_text(c) if "\ud800" <= c <= "\udfff" else c for c in text)
