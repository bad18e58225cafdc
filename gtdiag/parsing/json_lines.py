"""A JSON line (docker, journald, Cloud Run, CloudWatch, python-json-logger, structlog) to its message and facts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from gtdiag.parsing.timestamps import Stamp, parse_epoch, parse_stamp

MESSAGE_KEYS = ("MESSAGE", "message", "msg", "event", "log", "textPayload", "text", "body", "short_message")
STAMP_KEYS = (
    *("__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "timestamp", "@timestamp", "time", "asctime", "ts"),
    *("datetime", "date", "receiveTimestamp", "created"),
)
PID_KEYS = ("_PID", "pid", "process", "process_id", "processId")
TRACEBACK_KEYS = ("exc_info", "exception", "exc_text", "stack_trace", "traceback", "error.stack_trace", "stack")
STREAM_KEYS = ("CONTAINER_NAME", "pod_name", "instanceId", "container_name", "logStreamName", "pod")

_PRETTY = re.compile(r'\s*"(?:message|textPayload|log|msg|MESSAGE)"\s*:\s*(?P<value>"(?:[^"\\]|\\.)*"),?\s*')
_MOST_DEPTH = 3


@dataclass(frozen=True, slots=True)
class JsonRecord:
    """What a JSON line says. `carrier`: its message is a whole line of its own, to be unwrapped further."""

    message: str
    stamp: Stamp | None = None
    pid: int | None = None
    stream: str = ""
    kernel: bool = False
    carrier: str = ""
    partial: bool = False
    traceback: str = ""


def parse_json_line(text: str) -> JsonRecord | None:
    """The message of a JSON object on one line, or of the message line of a pretty-printed one; else None."""
    stripped = text.strip()
    if stripped[:1] == '"':
        return _parse_pretty(text)
    if stripped[:1] != "{" or stripped[-1:] != "}":
        return None
    try:
        value = json.loads(stripped)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    return _parse_object(value)


def _parse_pretty(text: str) -> JsonRecord | None:
    match = _PRETTY.fullmatch(text)
    if match is None:
        return None
    try:
        message = json.loads(match["value"])
    except ValueError:
        return None
    return JsonRecord(str(message).rstrip("\n"), carrier="pretty")


def _parse_object(value: dict[str, Any]) -> JsonRecord | None:
    payload = value.get("jsonPayload")
    facts = {**value, **payload} if isinstance(payload, dict) else value
    message = next((m for key in MESSAGE_KEYS if (m := _parse_message(facts.get(key))) is not None), None)
    if message is None:
        return None
    stamp = next((s for key in STAMP_KEYS if (s := _parse_time(facts.get(key))) is not None), None)
    pid = next((p for key in PID_KEYS if (p := _parse_pid(facts.get(key))) is not None), None)
    traceback = next((t for key in TRACEBACK_KEYS if isinstance(t := facts.get(key), str) and "\n" in t), "")
    carrier = ""
    if "log" in facts and "time" in facts and "stream" in facts:
        carrier = "docker"
    elif "MESSAGE" in facts:
        carrier = "journald"
    elif "textPayload" in facts or "logStreamName" in facts or "ingestionTime" in facts or "log" in facts:
        carrier = "cloud"
    identifier = facts.get("SYSLOG_IDENTIFIER")
    return JsonRecord(
        message=message.rstrip("\n"),
        stamp=stamp,
        pid=pid,
        stream=_parse_stream(facts),
        kernel=identifier == "kernel" or facts.get("_TRANSPORT") == "kernel",
        carrier=carrier,
        partial=carrier == "docker" and not message.endswith("\n"),
        traceback=traceback,
    )


def _parse_message(value: Any, depth: int = 0) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, int) and 0 <= item < 256 for item in value):
        # journald writes a message with control characters in it as a list of bytes.
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, dict) and depth < _MOST_DEPTH:
        return next((m for key in MESSAGE_KEYS if (m := _parse_message(value.get(key), depth + 1)) is not None), None)
    return None


def _parse_time(value: Any) -> Stamp | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return parse_epoch(value)
    if isinstance(value, str):
        return parse_stamp(value) or parse_epoch(value)
    return None


def _parse_pid(value: Any) -> int | None:
    if isinstance(value, dict):
        value = value.get("id", value.get("pid"))
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 < value < 1 << 32 else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 11:
        return int(value) or None
    return None


def _parse_stream(facts: dict[str, Any]) -> str:
    places: list[Any] = [facts, facts.get("labels"), facts.get("kubernetes")]
    resource = facts.get("resource")
    if isinstance(resource, dict):
        places.append(resource.get("labels"))
    for place in places:
        if isinstance(place, dict):
            for key in STREAM_KEYS:
                if isinstance(name := place.get(key), str) and name:
                    return name
    host, unit = facts.get("_HOSTNAME"), facts.get("_SYSTEMD_UNIT")
    if isinstance(unit, str) and isinstance(host, str):
        return f"{host}/{unit}"
    return ""
