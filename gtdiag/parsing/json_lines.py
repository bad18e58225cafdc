"""A JSON line (of a logger, docker, journald, a cloud's log service or a log shipper) to its message and facts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from gtdiag.parsing.timestamps import Stamp, parse_epoch, parse_stamp

MESSAGE_KEYS = (
    *("MESSAGE", "message", "msg", "event", "log", "textPayload", "text", "body", "short_message", "@message", "_raw"),
    *("line", "content", "Message", "Body", "full_message", "log_message", "raw", "original", "stringValue"),
)
STAMP_KEYS = (
    *("__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "timestamp", "@timestamp", "time", "asctime", "ts"),
    *("datetime", "date", "_time", "Timestamp", "timeUnixNano", "receiveTimestamp", "created", "ingestionTime"),
)
PID_KEYS = ("_PID", "pid", "process", "process_id", "processId")
TRACEBACK_KEYS = ("exc_info", "exception", "exc_text", "stack_trace", "traceback", "error.stack_trace", "stack")
STREAM_KEYS = (
    *("CONTAINER_NAME", "pod_name", "instanceId", "pod", "container_name", "logStreamName", "logStream", "log_stream"),
    *("@logStream", "container_id", "task_id", "instance", "container", "name"),
)

_POD_KEYS = ("pod_name", "podName", "pod")
_NAMESPACE_KEYS = ("namespace_name", "namespace")
_CONTAINER_KEYS = ("container_name", "containerName", "container")

_WRAPPERS = ("jsonPayload", "_source", "attributes", "result", "content")
"""Where a log service keeps the record that it was given, beside its own facts."""
_STREAM_PLACES = ("labels", "kubernetes", "metadata", "stream", "container", "docker", "fields")
_NAMED_PLACES = ("kubernetes", "container", "pod", "host")
"""Objects whose `name` says which replica wrote."""
_SHIPPER_KEYS = frozenset(
    [
        *(
            "textPayload",
            "logStreamName",
            "ingestionTime",
            "log",
            "line",
            "@message",
            "_raw",
            "@logStream",
            "logStream",
        ),
        *("log_stream", "kubernetes", "agent", "ecs", "ddsource", "ddtags", "source_type", "sourcetype", "stream"),
        *(
            "container_id",
            "container_name",
            "containerName",
            "logtag",
            "_p",
            "insertId",
            "attributes",
            "_source",
            "input",
            "filename",
        ),
        *("resource", "timeUnixNano", "ecs_task_arn", "docker", "result", "content"),
    ]
)
"""Fields of those that carry lines: the message is then a line as it was written, a traceback comes line by line."""
_LOGGER_KEYS = frozenset(["levelname", "logger", "logger_name", "exc_info", "funcName", "lineno", "levelno", "process"])
"""Fields that a logger of the process itself writes: the message is then what was logged, whole."""
_DOCKER_KEYS = frozenset(["log", "stream", "time", "attrs"])
_DOCKER_PIECE_BYTES = 16_000
"""docker cuts a line at 16 kB; a shorter one without its newline is the last that a process wrote."""

_PRETTY = re.compile(
    r'\s*"(?:@?message|textPayload|log|msg|MESSAGE|line|_raw|content|body)"\s*:\s*(?P<value>"(?:[^"\\]|\\.)*"),?\s*'
)
_CARRIED = re.compile(
    r"\[?\d{4}-\d\d-\d\d[ T]|\s+\S|Traceback \(most recent call last\):|File \"|(?:Current thread|Thread) 0x"
    r"|Fatal Python error|During handling of the above|The above exception was|[\w.-]+ *\| "
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:"
)
_MOST_DEPTH = 3


@dataclass(frozen=True, slots=True)
class JsonRecord:
    """What a JSON line says. `carrier`: its message is a whole line of its own, to be unwrapped further.

    `may_be_cut`: of a carrier that cuts long lines; `partial` then says that the next record goes on.
    """

    message: str
    stamp: Stamp | None = None
    pid: int | None = None
    stream: str = ""
    kernel: bool = False
    carrier: str = ""
    may_be_cut: bool = False
    partial: bool = False
    traceback: str = ""


def parse_json_line(text: str) -> JsonRecord | None:
    """The message of a JSON object on one line, or of the message line of a pretty-printed one; else None."""
    stripped = text.strip()
    if stripped[:1] == '"':
        return _parse_pretty(text)
    if stripped[:2] == "[{":
        stripped = stripped[1:]
    if stripped[-1:] in (",", "]"):
        # One object of an array on each line.
        stripped = stripped[:-1].rstrip()
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
    facts = dict(value)
    for key in _WRAPPERS:
        if isinstance(wrapped := facts.get(key), dict):
            facts.update(wrapped)
    message = next((m for key in MESSAGE_KEYS if (m := _parse_message(facts.get(key))) is not None), None)
    if message is None:
        return None
    stamp = next((s for key in STAMP_KEYS if (s := _parse_time(facts.get(key))) is not None), None)
    pid = next((p for key in PID_KEYS if (p := _parse_pid(facts.get(key))) is not None), None)
    traceback = next((t for key in TRACEBACK_KEYS if isinstance(t := facts.get(key), str) and "\n" in t), "")
    carrier = _find_carrier(facts, message)
    cut = facts.get("logtag", facts.get("_p"))
    docker = carrier == "docker"
    identifier = facts.get("SYSLOG_IDENTIFIER")
    return JsonRecord(
        message=message.rstrip("\n"),
        stamp=stamp,
        pid=pid,
        stream=_parse_stream(facts),
        kernel=identifier == "kernel" or facts.get("_TRANSPORT") == "kernel",
        carrier=carrier,
        may_be_cut=docker or cut in ("P", "F"),
        partial=cut == "P" or (docker and not message.endswith("\n") and len(message.encode()) >= _DOCKER_PIECE_BYTES),
        traceback=traceback,
    )


def _find_carrier(facts: dict[str, Any], message: str) -> str:
    if "log" in facts and "time" in facts and facts.keys() <= _DOCKER_KEYS:
        return "docker"
    if "MESSAGE" in facts:
        return "journald"
    if not _LOGGER_KEYS.isdisjoint(facts):
        return ""
    if not _SHIPPER_KEYS.isdisjoint(facts):
        return "shipper"
    # A writer that is not known; what it carries is certainly a line.
    return "line" if "\n" not in message.rstrip("\n") and _CARRIED.match(message) else ""


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
    places: list[Any] = [facts, *(facts.get(place) for place in _STREAM_PLACES)]
    resource = facts.get("resource")
    if isinstance(resource, dict):
        places.append(resource.get("labels"))
    if "MESSAGE" in facts:
        return _parse_journal_stream(facts)
    for place in places:
        if not isinstance(place, dict):
            continue
        if (pod := _find_name(place, _POD_KEYS)) is not None:
            # One pod has several containers, and a StatefulSet's pods have the same names in each namespace.
            named = (_find_name(place, _NAMESPACE_KEYS), pod, _find_name(place, _CONTAINER_KEYS))
            return "/".join(name for name in named if name)
        for key in STREAM_KEYS:
            name = place.get(key)
            if isinstance(name, dict) and key in _NAMED_PLACES:
                name = name.get("name", name.get("id"))
            # A logger's name, or a host's, is no replica's.
            if isinstance(name, str) and name and (key != "name" or place is facts.get("container")):
                return name
    host = facts.get("host", facts.get("hostname"))
    if isinstance(host, dict):
        host = host.get("name", host.get("hostname"))
    return host if isinstance(host, str) else ""


def _find_name(place: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        name = place.get(key)
        if isinstance(name, dict):
            name = name.get("name")
        if isinstance(name, str) and name:
            return name
    return None


def _parse_journal_stream(facts: dict[str, Any]) -> str:
    """Host and container, or host and unit: several hosts' journals are merged, and each host has a "web-1"."""
    units = (facts.get("_SYSTEMD_UNIT"), facts.get("_SYSTEMD_USER_UNIT"))
    container, host = facts.get("CONTAINER_NAME"), facts.get("_HOSTNAME")
    names = [container] if isinstance(container, str) else [unit for unit in units if isinstance(unit, str)]
    if not names or (not isinstance(host, str) and names != [container]):
        return ""
    return "/".join([host, *names] if isinstance(host, str) else names)
