"""Saved logs to events: what `analyze` reads. Streams in constant memory; runs on any platform."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import IO

from gtdiag.collectors.block_search import BlockSearch, search_with
from gtdiag.collectors.crowded_log import Crowd
from gtdiag.collectors.log_blocks import scan_blocks
from gtdiag.collectors.log_direction import Direction, read_reversed_lines
from gtdiag.collectors.log_search import STANDARD_INPUT, find_log_files
from gtdiag.collectors.log_sources import Survey, group_logs, survey_logs
from gtdiag.collectors.opened_log import OpenedLog, holds_gunicorn_record, open_and_look
from gtdiag.errors import LogReadError
from gtdiag.model.events import CollectionGap, Event, ObservationEnded, ObservationStarted
from gtdiag.model.identity import LogSource, Origin
from gtdiag.parsing.log_parser import LogParser
from gtdiag.parsing.timestamps import Stamp
from gtdiag.parsing.worker_identity import WorkerIdentities

_MOST_NAMED = 3
"""Files without a line of gunicorn's that are named each; of more, their number is told."""

_HINT_NO_GUNICORN = (
    "gtdiag reads gunicorn's error log (standard error, --error-logfile) and kernel logs; "
    "an access log alone tells nothing"
)


def collect_log_events(
    files: Sequence[str],
    *,
    stdin: IO[bytes] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    timeout_s: float | None = None,
    jobs: int = 1,
    one_server: bool = False,
    must_read: bool = True,
    told: Callable[[int], None] | None = None,
) -> Iterator[Event]:
    """The events of saved logs: ObservationStarted, what the logs hold, source by source, ObservationEnded.

    `files`: paths, folders, patterns, or "-" for standard input (`stdin`, else the process's own); their order does not
    matter. Each log is read through its rotations, the oldest first; different logs are different replicas, told apart
    in `Origin.stream`, unless `one_server` says that one gunicorn wrote them all. `since`, `until`: aware times; events
    outside are left out, those without a time are not. `timeout_s`: gunicorn's setting, handed on.
    `jobs`: how many processes search the blocks of a large log; the events are the same for any number.

    Raises LogReadError for a named file that is missing, not readable or not text, and when no file holds a gunicorn
    line. `must_read` False: a named file that cannot be read is a gap, as long as another one can.
    `told`: is told the size (bytes, decompressed) of each block that was read.
    """
    if not files:
        raise LogReadError("no log file was named", "gtdiag analyze FILE..., or '-' for standard input")
    found = find_log_files(files)
    survey = survey_logs(found if must_read else [replace(file, named=False) for file in found], stdin)
    sources = group_logs(survey.files.values(), one_server=one_server)
    reading = _Reading(survey, since, until, search_with(jobs), told)
    ordered = [survey.files[file] for source in sources for file in source.files]
    start = min((file.begin for file in ordered if file.begin is not None), default=None)
    pending = reading.collect(sources)
    # A newest-first log begins where it ends; its first event tells about when.
    first_event = next(pending, None) if start is None else None
    if start is None and first_event is not None:
        start = first_event.at
    yield ObservationStarted(
        origin=Origin(source="log"),
        at=_latest(start, since),
        seq=next(reading.seq),
        kind="log",
        files=tuple("standard input" if file.path == STANDARD_INPUT else file.path for file in ordered),
        timeout_s=timeout_s,
    )
    if first_event is not None:
        yield first_event
    yield from pending
    yield ObservationEnded(
        origin=Origin(source="log"),
        at=_earliest(max((stamp.at for stamp in reading.ends), default=None), until),
        resolution_s=max((stamp.resolution_s for stamp in reading.ends), default=1.0),
        seq=next(reading.seq),
    )


@dataclass(slots=True)
class _Reading:
    """One pass over all sources. `ends`: the last time stamp of each file that was read."""

    survey: Survey
    since: datetime | None
    until: datetime | None
    search: BlockSearch
    told: Callable[[int], None] | None = None
    seq: Iterator[int] = field(default_factory=itertools.count)
    ends: list[Stamp] = field(default_factory=list)
    useless: list[tuple[str, str]] = field(default_factory=list)
    """Files without a line of gunicorn's, and in words what they are."""

    def collect(self, sources: Sequence[LogSource]) -> Iterator[Event]:
        """The events of all sources; raises where not one of them is a log of gunicorn's."""
        by_replica: dict[str, list[LogSource]] = {}
        for source in sources:
            by_replica.setdefault(source.replica, []).append(source)
        for same in by_replica.values():
            identities = WorkerIdentities()
            if len(same) == 1:
                yield from self._collect_source(same[0], identities, self.seq)
            else:
                yield from self._merge(same, identities)
        if len(self.useless) == len(self.survey.files):
            raise LogReadError("; ".join(f"{name} {why}" for name, why in self.useless[:10]), _HINT_NO_GUNICORN)
        for why in (*self.survey.problems, *self._say_useless()):
            yield CollectionGap(origin=Origin(source="log"), seq=next(self.seq), what="log", why=why)

    def _merge(self, sources: Sequence[LogSource], identities: WorkerIdentities) -> Iterator[Event]:
        """The logs of one replica as one: its error log and its standard error tell of the same workers."""
        streams = [_with_time(self._collect_source(source, identities, itertools.count())) for source in sources]
        for _, event in heapq.merge(*streams, key=lambda timed: timed[0]):
            yield replace(event, seq=next(self.seq))

    def _collect_source(self, source: LogSource, identities: WorkerIdentities, seq: Iterator[int]) -> Iterator[Event]:
        for path in source.files:
            log = self.survey.files[path].opened
            try:
                log = log if log is not None else open_and_look(path)
            except LogReadError as error:
                # It was there a moment ago; a rotation may have taken it away.
                yield CollectionGap(origin=Origin("log", path), seq=next(seq), what="log", why=error.message)
                continue
            self.survey.files[path].opened = None
            yield from self._collect_file(
                log, LogParser(log.name, newest=log.newest, identities=identities, seq=seq, replica=source.replica), seq
            )

    def _collect_file(self, log: OpenedLog, parser: LogParser, seq: Iterator[int]) -> Iterator[Event]:
        found, empty, in_head = False, not log.head, holds_gunicorn_record(log.head)
        newest_event: datetime | None = None
        # Who asks for a part of the time gets all of that part.
        search = self.search if self.since or self.until else Crowd(log.newest).thin(self.search)
        for event in _parse(log, parser, search, self.told):
            found = found or not isinstance(event, CollectionGap)
            if event.at is not None:
                newest_event = event.at if newest_event is None else max(newest_event, event.at)
            if not _is_outside(event.at, self.since, self.until):
                yield event
        log.note_last()
        if newest_event is not None and (log.last is None or log.last.at < newest_event):
            log.last = Stamp(newest_event, 1.0)
        if log.last is not None:
            self.ends.append(log.last)
        if log.rest.damage:
            why = f"{log.name} could be read only in part: {log.rest.damage}"
            yield CollectionGap(origin=Origin("log", log.name), seq=next(seq), what="log", why=why)
        if not found and not in_head and not log.ends_like_a_gunicorn_log():
            self.useless.append((log.name, "is empty" if empty else "holds not one line of gunicorn's"))

    def _say_useless(self) -> Iterator[str]:
        useless = sorted(self.useless)
        if len(useless) <= _MOST_NAMED:
            yield from (f"{name} {why}" for name, why in useless)
            return
        names = ", ".join(name for name, _ in useless[:_MOST_NAMED])
        total = len(self.survey.files)
        yield f"{len(useless)} of {total} files hold not one line of gunicorn's: {names}, ..."


def _with_time(events: Iterator[Event]) -> Iterator[tuple[datetime, Event]]:
    """Each event with the newest time until then: those without one stay behind the event before them."""
    at = datetime.min.replace(tzinfo=timezone.utc)
    for event in events:
        if event.at is not None and event.at > at:
            at = event.at
        yield at, event


def _parse(
    log: OpenedLog, parser: LogParser, search: BlockSearch, told: Callable[[int], None] | None
) -> Iterator[Event]:
    if log.direction is Direction.OLDEST_FIRST:
        yield from scan_blocks(log.read_blocks(told), parser, search)
        yield from parser.flush()
        return
    numbers: dict[int, int] = {}
    fed = 0
    for line in read_reversed_lines(log.read_blocks(told), log.direction, log.newest):
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


# --- times ---


def _is_outside(at: datetime | None, since: datetime | None, until: datetime | None) -> bool:
    if at is None:
        return False
    return (since is not None and at < since) or (until is not None and at > until)


def _latest(at: datetime | None, since: datetime | None) -> datetime | None:
    return at if since is None or (at is not None and at >= since) else since


def _earliest(at: datetime | None, until: datetime | None) -> datetime | None:
    return at if until is None or (at is not None and at <= until) else until
