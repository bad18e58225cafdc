"""What a process wrote to its log record: time, writer, level and message, whatever the logging format.

gunicorn's own formats are matched as they are. Any other format is read from the message backwards: the message is one
of the known ones, it ends the line, and what stands before it looks like a log prefix.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gtdiag.parsing.timestamps import STAMP, Stamp, parse_stamp

LEVELS = "DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|CRITICAL|FATAL|SUCCESS|TRACE"

_OWN = re.compile(
    # ^C echoed by a terminal, pasted indentation; the first bracket may be lost.
    r"(?:\^C)?\s*(?P<stamp>\[?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d+)?(?: [+-]\d{4})?\]?) "
    rf"\[(?P<pid>\d{{1,10}})(?::[^\]]*)?\] (?:\[(?P<logger>[\w.]+)\] )?\[ ?(?P<level>{LEVELS}) *\] (?P<message>.*)",
    re.DOTALL,
)
_SHORT = re.compile(
    # The same without a stamp: the carrier's stamp was the writer's own (ISO with a T), or there is none.
    rf"(?:\[(?P<pid>\d{{1,10}})(?::[^\]]*)?\] )?\[ ?(?P<level>{LEVELS}) *\] (?P<message>.*)",
    re.DOTALL,
)
_RECORD_START = re.compile(
    rf"\s{{0,8}}(?:\[?\d{{4}}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d|\[?(?:{LEVELS})\b[\]: ]"
    r"|\S+ - \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}:)"
)
_LEVEL = re.compile(rf"\b(?:{LEVELS})\b", re.IGNORECASE)
_PID = re.compile(
    r"\[(\d{1,10})(?:\]|:)|\b(?:pid|process)[=: ]\s?(\d{1,10})\b|(?<= )\((\d{1,10})\)| (\d{1,10}) \d{1,20} ?$"
    # between a logging format's own separators, and right behind the level
    rf"|(?<=[-|] )(\d{{1,10}})(?= [-|])|\b(?:{LEVELS}) +(\d{{1,10}})(?= )"
)
_PID_ALONE = re.compile(r"\[\d{1,10}\]")
"""All that gunicorn's own syslog handler writes before a message (`--log-syslog`)."""
_LOGFMT = re.compile(r'\b(?:msg|message|event)="(?P<message>(?:[^"\\]|\\.)*)"')
_TAIL = re.compile(
    r"(?: {2,}|\t| (?=\[(?:gunicorn|uvicorn)[\w.]*\]))\s*(?:\[[\w.]+\]|[\w.]+=\S+)(?:\s+[\w.]+=\S+)*\s*$"
)
_MOST_PREFIX = 300


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line that a logger wrote. `pid`: the writer, where the format tells it. `own`: in a format of gunicorn's."""

    message: str
    stamp: Stamp | None = None
    pid: int | None = None
    level: str | None = None
    own: bool = False
    has_offset: bool = False


def parse_own_record(text: str) -> LogRecord | None:
    """A line in gunicorn's format (19.2 and later, 19.1 and earlier), or in a format of the same parts."""
    match = _OWN.fullmatch(text)
    if match is not None:
        stamp = parse_stamp(match["stamp"])
        return LogRecord(
            message=match["message"].strip(),
            stamp=stamp,
            pid=int(match["pid"]),
            level=match["level"],
            own=True,
            has_offset=stamp is not None and not stamp.naive,
        )
    match = _SHORT.fullmatch(text.strip())
    if match is None:
        return None
    pid = match["pid"]
    return LogRecord(match["message"].strip(), pid=int(pid) if pid else None, level=match["level"], own=True)


def parse_foreign_record(text: str, messages: Sequence[re.Pattern[str]], anywhere: re.Pattern[str]) -> LogRecord | None:
    """A line in any other format that ends in one of `messages` (`anywhere` finds their beginnings)."""
    logfmt = _LOGFMT.search(text)
    if logfmt is not None:
        message = logfmt["message"].replace('\\"', '"')
        if any(pattern.fullmatch(message) for pattern in messages):
            return _build(message, text[: logfmt.start()])
    shortened = text.rstrip()
    # Only the end is looked at: the pattern would take the square of a long line's length.
    if (tail := _TAIL.search(shortened, max(len(shortened) - _MOST_PREFIX, 0))) is not None:
        shortened = shortened[: tail.start()]
    for found in anywhere.finditer(shortened, 0, len(shortened)):
        if found.start() > _MOST_PREFIX:
            break
        message, prefix = shortened[found.start() :], shortened[: found.start()]
        if any(pattern.fullmatch(message) for pattern in messages) and is_log_prefix(prefix):
            return _build(message, prefix)
    return None


def _build(message: str, prefix: str) -> LogRecord:
    pid_match = _PID.search(prefix)
    level_match = _LEVEL.search(prefix)
    stamp = parse_stamp(prefix)
    return LogRecord(
        message=message,
        stamp=stamp,
        pid=int(next(group for group in pid_match.groups() if group)) if pid_match else None,
        level=level_match.group().upper() if level_match else None,
        has_offset=stamp is not None and not stamp.naive,
    )


def is_log_prefix(prefix: str) -> bool:
    """Whether what stands before a message is a logger's prefix, and not a sentence or a request that quotes it.

    A prefix names a level, a time or gunicorn itself, and between the last of these and the message stands at most one
    more word (a logger's name, a place in the source).
    """
    stripped = prefix.strip()
    if not stripped or _PID_ALONE.fullmatch(stripped):
        return True
    if '"' in stripped or "'" in stripped or "HTTP/" in stripped:
        return False
    if stripped[-1] not in "]|:->)}=0123456789" and not _LEVEL.search(stripped.split()[-1]):
        return False
    anchors = [*_LEVEL.finditer(stripped), *STAMP.finditer(stripped), *re.finditer("gunicorn|uvicorn", stripped)]
    if not anchors:
        return False
    rest = stripped[max(anchor.end() for anchor in anchors) :]
    words = [word for word in rest.split() if re.search(r"[A-Za-z]", word)]
    return len(words) <= 1


def begins_record(text: str) -> bool:
    """Whether a line begins a log record of any kind (a time stamp or a level at its head, an access-log line)."""
    return _RECORD_START.match(text) is not None
