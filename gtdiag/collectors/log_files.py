"""Saved logs to events: what `analyze` reads. Streams in constant memory; runs on any platform."""

from __future__ import annotations

import contextlib
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from gtdiag.collectors.block_search import BlockSearch, search_with
from gtdiag.collectors.log_blocks import decode_line, read_line_blocks, scan_blocks
from gtdiag.collectors.log_compression import ByteSource, GuardedSource, decompress, open_log, read_fully
from gtdiag.collectors.log_direction import Direction, find_direction, read_reversed_lines
from gtdiag.errors import LogReadError
from gtdiag.model.events import CollectionGap, Event, ObservationEnded, ObservationStarted
from gtdiag.model.identity import Origin
from gtdiag.parsing.line_times import is_gunicorn_record, parse_line_stamp
from gtdiag.parsing.log_parser import LogParser
from gtdiag.parsing.timestamps import Stamp
from gtdiag.parsing.worker_identity import WorkerIdentities

STANDARD_INPUT = "-"
_HEAD_BYTES = 1 << 18
_TAIL_BYTES = 1 << 16
_SAMPLE_LINES = 200
_MOST_BINARY_SHARE = 0.05
_ROTATION = re.compile(r"(?:[.-]\d{1,10}|\.(?:gz|bz2|xz|zst|old))+$")
_HOLE = re.compile(rb"\0{64,}")
_BINARY = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})

_HINT_NO_GUNICORN = (
    "gtdiag reads gunicorn's error log (standard error, --error-logfile) and kernel logs; "
    "an access log alone tells nothing"
)


@dataclass(slots=True)
class _Log:
    """One file that was opened: its head was read, the rest is still to come."""

    name: str
    rest: GuardedSource
    head: bytes
    newest: datetime
    order: int
    direction: Direction = Direction.OLDEST_FIRST
    first: Stamp | None = None
    last: Stamp | None = None
    sample: bytes = b""

    def read_blocks(self) -> Iterator[bytes]:
        """The whole log in blocks of lines; remembers the last bytes, whose stamps end the period."""
        head, self.head = self.head, b""
        for block in read_line_blocks(_JoinedBytes(head, self.rest)):
            self.sample = block[-_TAIL_BYTES:] if len(block) >= _TAIL_BYTES else (self.sample + block)[-_TAIL_BYTES:]
            yield block


class _JoinedBytes:
    def __init__(self, head: bytes, rest: ByteSource) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._rest.read(size)


def collect_log_events(
    files: Sequence[str],
    *,
    stdin: IO[bytes] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    timeout_s: float | None = None,
    jobs: int = 1,
) -> Iterator[Event]:
    """The events of saved logs: ObservationStarted, what the logs hold in order of time, ObservationEnded.

    `files`: paths, or "-" for standard input (`stdin`, else the process's own). Several files are read one after the
    other, the oldest first; the parts of one rotated log belong together. `since`, `until`: aware times; events outside
    are left out, those without a time are not. `timeout_s`: gunicorn's setting, handed on.
    `jobs`: how many processes search the blocks of a large log; the events are the same for any number.

    Raises LogReadError for a file that is missing, not readable or not text, and when no file holds a gunicorn line.
    """
    logs = [_open(name, stdin, order) for order, name in enumerate(files)]
    if not logs:
        raise LogReadError("no log file was named", "gtdiag analyze FILE..., or '-' for standard input")
    if all(log.first is not None for log in logs):
        logs.sort(key=lambda log: (log.first.at if log.first is not None else log.newest, log.order))
    seq = itertools.count()
    starts = [log.first.at for log in logs if log.first is not None and log.direction is Direction.OLDEST_FIRST]
    start = min(starts, default=None)
    pending = _collect(logs, seq, since, until, search_with(jobs))
    # A newest-first log begins where it ends; its first event tells about when.
    first_event = next(pending, None) if start is None else None
    if start is None and first_event is not None:
        start = first_event.at
    yield ObservationStarted(
        origin=Origin(source="log"),
        at=_latest(start, since),
        seq=next(seq),
        kind="log",
        files=tuple(log.name for log in logs),
        timeout_s=timeout_s,
    )
    if first_event is not None:
        yield first_event
    yield from pending
    ends = [log.last.at for log in logs if log.last is not None]
    yield ObservationEnded(
        origin=Origin(source="log"),
        at=_earliest(max(ends, default=None), until),
        resolution_s=max((log.last.resolution_s for log in logs if log.last is not None), default=1.0),
        seq=next(seq),
    )


def _collect(
    logs: Sequence[_Log],
    seq: Iterator[int],
    since: datetime | None,
    until: datetime | None,
    search: BlockSearch,
) -> Iterator[Event]:
    """The events of all logs; raises where not one of them is a log of gunicorn's."""
    identities: dict[str, WorkerIdentities] = {}
    useless: list[tuple[_Log, str]] = []
    for log in logs:
        shared = identities.setdefault(_ROTATION.sub("", log.name), WorkerIdentities())
        found = empty = False
        newest_event: datetime | None = None
        empty = not log.head
        in_head = _holds_gunicorn_record(log.head)
        for event in _parse(log, LogParser(log.name, newest=log.newest, identities=shared, seq=seq), search):
            found = found or not isinstance(event, CollectionGap)
            if event.at is not None:
                newest_event = event.at if newest_event is None else max(newest_event, event.at)
            if not _is_outside(event.at, since, until):
                yield event
        if log.direction is Direction.OLDEST_FIRST:
            log.last = _find_stamp(reversed(log.sample.split(b"\n")), log.newest) or log.first
        else:
            log.last = log.first
        if newest_event is not None and (log.last is None or log.last.at < newest_event):
            log.last = Stamp(newest_event, 1.0)
        if log.rest.damage:
            yield _gap(log, seq, f"{log.name} could be read only in part: {log.rest.damage}")
        if not found and not in_head and not _holds_gunicorn_record(log.sample):
            useless.append((log, "is empty" if empty else "holds not one line of gunicorn's"))
    if len(useless) == len(logs):
        raise LogReadError("; ".join(f"{log.name} {why}" for log, why in useless), _HINT_NO_GUNICORN)
    for log, why in useless:
        yield _gap(log, seq, f"{log.name} {why}")


def _gap(log: _Log, seq: Iterator[int], why: str) -> CollectionGap:
    return CollectionGap(origin=Origin(source="log", file=log.name), seq=next(seq), what="log", why=why)


def _parse(log: _Log, parser: LogParser, search: BlockSearch) -> Iterator[Event]:
    if log.direction is Direction.OLDEST_FIRST:
        yield from scan_blocks(log.read_blocks(), parser, search)
        yield from parser.flush()
        return
    numbers: dict[int, int] = {}
    fed = 0
    for line in read_reversed_lines(log.read_blocks(), log.direction, log.newest):
        # Numbers rise for the parser; lines that were left out leave a gap in them, too.
        fed += 2 if line.after_gap else 1
        numbers[fed] = line.number
        for event in parser.feed(line.text, fed):
            yield _with_line(event, numbers)
    for event in parser.flush():
        yield _with_line(event, numbers)


def _with_line(event: Event, numbers: dict[int, int]) -> Event:
    line = numbers.get(event.origin.line or 0, event.origin.line)
    return replace(event, origin=replace(event.origin, line=line))


# --- opening ---


def _open(name: str, stdin: IO[bytes] | None, order: int) -> _Log:
    newest = datetime.now(timezone.utc)
    if name == STANDARD_INPUT:
        shown = "standard input"
        source = decompress(stdin if stdin is not None else sys.stdin.buffer, shown)
    else:
        shown = name
        path = Path(name)
        source = open_log(path)
        with contextlib.suppress(OSError, OverflowError, ValueError):
            newest = datetime.fromtimestamp(path.stat().st_mtime, tz=timezone.utc)
    guarded = GuardedSource(source)
    head = read_fully(guarded, _HEAD_BYTES)
    if guarded.damage and not head:
        raise LogReadError(
            f"cannot read {shown}: {guarded.damage}", "is the file complete? try to decompress it by hand"
        )
    if _is_binary(head):
        raise LogReadError(
            f"{shown} is not a text log", "a log file is expected, or one compressed with gzip, bzip2, xz or zstd"
        )
    log = _Log(shown, guarded, head, newest, order)
    log.first = _find_stamp(head.split(b"\n"), newest)
    log.direction = find_direction(head, newest)
    return log


def _is_binary(head: bytes) -> bool:
    # A log that was cut in place (copytruncate) begins with a hole of zero bytes; a power failure leaves one in it.
    text = _HOLE.sub(b"", head)
    return bool(text) and (len(text) - len(text.translate(None, _BINARY))) > len(text) * _MOST_BINARY_SHARE


def _find_stamp(lines: Iterator[bytes] | Sequence[bytes], newest: datetime) -> Stamp | None:
    for line in itertools.islice(lines, _SAMPLE_LINES):
        stamp = parse_line_stamp(decode_line(line[:4096]), newest=newest)
        if stamp is not None:
            return stamp
    return None


def _holds_gunicorn_record(sample: bytes) -> bool:
    return any(is_gunicorn_record(decode_line(line[:4096])) for line in sample.split(b"\n")[:_SAMPLE_LINES])


# --- times ---


def _is_outside(at: datetime | None, since: datetime | None, until: datetime | None) -> bool:
    if at is None:
        return False
    return (since is not None and at < since) or (until is not None and at > until)


def _latest(at: datetime | None, since: datetime | None) -> datetime | None:
    return at if since is None or (at is not None and at >= since) else since


def _earliest(at: datetime | None, until: datetime | None) -> datetime | None:
    return at if until is None or (at is not None and at <= until) else until
