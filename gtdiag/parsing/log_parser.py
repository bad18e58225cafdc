"""Lines of one log to events: takes off prefixes, reads the message, joins tracebacks, keeps workers apart.

Only tell-tale lines and their surroundings are looked at (`relevance`); everything else is skipped, so that a reader
may skip it too and gets the same events.
"""

from __future__ import annotations

import itertools
import re
from collections import OrderedDict, deque
from collections.abc import Iterator
from datetime import datetime

from gtdiag.model.events import (
    CountedTraceback,
    Event,
    KernelOomKilled,
    MasterHalted,
    MasterListening,
    MasterSignalled,
    MasterStarted,
    WorkerBooted,
    WorkerBootFailed,
    WorkerExiting,
    WorkerProgressed,
    WorkerReady,
    WorkersCounted,
    WorkerSignalled,
    WorkerTimedOut,
)
from gtdiag.parsing import gunicorn_lines, kernel_lines, uvicorn_lines
from gtdiag.parsing.control_characters import strip_control_characters
from gtdiag.parsing.event_sink import EventSink
from gtdiag.parsing.gunicorn_lines import Fact, Writer, parse_header
from gtdiag.parsing.prefixes import CarriedLine, unwrap, unwrap_joined
from gtdiag.parsing.record_lines import LogRecord, begins_record, parse_foreign_record, parse_own_record
from gtdiag.parsing.relevance import HEAD_LINES, LINE_CHARACTERS, LOOK_BACK_CHARACTERS, REACH, find_reach
from gtdiag.parsing.repeated_facts import RepeatedFacts
from gtdiag.parsing.repeated_hour import RepeatedHour
from gtdiag.parsing.startup_steps import StartupSteps, add_bounded
from gtdiag.parsing.timestamps import Stamp, choose_stamp, parse_stamp
from gtdiag.parsing.traceback_events import TracebackEvents
from gtdiag.parsing.tracebacks import (
    TracebackJoiner,
    parse_exception,
)
from gtdiag.parsing.worker_identity import WorkerIdentities

_PATTERNS = (
    *(message.pattern for message in (*gunicorn_lines.MESSAGES, *uvicorn_lines.MESSAGES)),
    *gunicorn_lines.HEADER_PATTERNS,
    gunicorn_lines.LOADING_ERROR,
)
_ANYWHERE = re.compile(
    r"(?<![A-Za-z0-9_])(?=Starting gunicorn|Listening at|Using worker|Handling signal|Shutting down|Reason: "
    r"|WORKER TIMEOUT|Worker |Booting worker|Autorestarting|ASGI |(?:gunicorn\.errors\.)?HaltServer"
    r"|Error handling request|Exception in |Unhandled exception|Application |Failed to |Started server"
    r"|Waiting for application|Maximum request)"
)
_TRACEBACK_HEAD = "Traceback (most recent call last):"

_MOST_JOINERS = 64
_MOST_PLAIN = 8192
_PLAIN_CHARACTERS = 300
_MOST_PENDING = 256
_PARTIAL_CHARACTERS = 1_048_576


class LogParser:
    """Parses one log, line by line; `feed` returns the events a line completed, `flush` what was still open.

    `file`: its name, for the events' origin. `newest`: a moment at or after the last line, which gives the year to
    stamps without one. `identities`: shared by the parts of one rotated log. `seq`: shared by all files of one stream
    of events. `replica`: what the log's source is called, in front of the stream that the lines name. Naive stamps are
    read as UTC; that is said once, in a `CollectionGap`.
    """

    def __init__(
        self,
        file: str | None = None,
        *,
        newest: datetime | None = None,
        identities: WorkerIdentities | None = None,
        seq: Iterator[int] | None = None,
        replica: str = "",
    ) -> None:
        self._newest = newest
        self._identities = identities or WorkerIdentities()
        self._repeated = RepeatedFacts()
        self._sink = EventSink(file, seq if seq is not None else itertools.count(), replica)
        self._startup_steps = StartupSteps()
        self._tracebacks = TracebackEvents(self._sink, self._identities, self._repeated, self._startup_steps)
        self._look_back: deque[tuple[str, int]] = deque()
        self._look_back_characters = 0
        self._attentive_until = HEAD_LINES
        self._last_line = 0
        self._joiners: OrderedDict[tuple[str, int | None], TracebackJoiner] = OrderedDict()
        self._partial: dict[str, str] = {}
        self._latest_stamp: dict[str, Stamp] = {}
        self._repeated_hour = RepeatedHour(_MOST_PENDING)
        self._latest_master: dict[str, int] = {}
        self._indents: dict[str, int] = {}
        self._started: dict[str, tuple[Fact, Stamp | None, int]] = {}
        self._latest_writer: tuple[str, int | None] | None = None
        """Stream and carrier's pid of the latest record."""
        self._named: OrderedDict[tuple[str, int], None] = OrderedDict()
        """Pids that gunicorn itself named as a worker's."""
        self._plain: set[str] = set()
        """Lines, seen before, that no carrier, no logger and no kernel wrote: a traceback's repeat themselves."""
        self._line_shippers: set[str] = set()
        """Streams of JSON objects that were seen to carry lines, not what a logger logged."""

    @property
    def attentive_until(self) -> int:
        """The last line number that must be fed even if it is not tell-tale by itself."""
        return self._attentive_until

    def feed(self, line: str, line_number: int) -> list[Event]:
        """The events completed by this line. Line numbers must rise; lines `relevance` rules out may be left out."""
        text = line[:LINE_CHARACTERS]
        reach = find_reach(text)
        if reach is None and line_number > self._attentive_until:
            self._remember(text, line_number)
            return []
        if self._look_back:
            self._process_look_back(reach.before if reach is not None else 0)
        if reach is not None:
            self._attentive_until = max(self._attentive_until, line_number + reach.after)
        self._process(text, line_number)
        return self._sink.drain()

    def flush(self) -> list[Event]:
        """End of the log (or of what is there of it): close whatever is open."""
        for key, joiner in list(self._joiners.items()):
            self._tracebacks.finish(joiner.close(), key[0], at_end=True)
        self._joiners.clear()
        for stream in list(self._started):
            self._settle_started(stream, None)
        self._tracebacks.flush()
        return self._sink.drain()

    def skip(
        self,
        workers: int,
        timed_out: int,
        first_at: datetime | None,
        last_at: datetime | None,
        tracebacks: tuple[CountedTraceback, ...] = (),
    ) -> list[Event]:
        """Lines were left out that tell of so many troubled workers; what was open is closed."""
        events = self.flush()
        stamp = None if last_at is None else Stamp(last_at, 1.0)
        self._sink.emit(
            WorkersCounted,
            stamp,
            "",
            self._last_line,
            workers=workers,
            timed_out=timed_out,
            first_at=first_at,
            tracebacks=tracebacks,
        )
        return events + self._sink.drain()

    # --- which lines are looked at ---

    def _remember(self, text: str, line_number: int) -> None:
        self._look_back.append((text, line_number))
        self._look_back_characters += len(text)
        while len(self._look_back) > REACH["closes"].before or self._look_back_characters > LOOK_BACK_CHARACTERS:
            self._look_back_characters -= len(self._look_back.popleft()[0])

    def _process_look_back(self, before: int) -> None:
        remembered = list(self._look_back)[-before:] if before else []
        self._look_back.clear()
        self._look_back_characters = 0
        for text, line_number in remembered:
            self._process(text, line_number)

    # --- one line ---

    def _process(self, raw: str, line_number: int) -> None:
        if line_number != self._last_line + 1:
            for key, joiner in list(self._joiners.items()):
                self._tracebacks.finish(joiner.expire(line_number), key[0])
                joiner.skip()
        self._last_line = line_number
        self._expire(line_number)
        if (bare := raw.rstrip("\n")) in self._plain:
            self._process_other(CarriedLine(bare), line_number, self._unindent(bare, ""))
            return
        # A progress bar overwrites its line; what a logger wrote may stand behind it.
        for piece in raw.rstrip("\r\n").split("\r") if "\r" in raw else (raw.rstrip("\n"),):
            carried = unwrap(strip_control_characters(piece), newest=self._newest)
            if carried.partial_key:
                joined = self._join_partial(carried)
                if joined is None:
                    return
                carried = unwrap_joined(carried, joined, newest=self._newest)
            self._process_carried(carried, line_number)

    def _join_partial(self, carried: CarriedLine) -> str | None:
        """Long lines are cut by containerd and docker (at 16 kB); None until the last piece is there."""
        text = self._partial.pop(carried.partial_key, "") + carried.text
        if carried.partial and len(text) < _PARTIAL_CHARACTERS:
            if len(self._partial) < _MOST_JOINERS:
                self._partial[carried.partial_key] = text
            return None
        return text

    def _process_carried(self, carried: CarriedLine, line_number: int) -> None:
        first, *rest = carried.text.split("\n") if "\n" in carried.text else (carried.text,)
        self._process_text(first, carried, line_number)
        if carried.json is not None and carried.json.traceback:
            rest += carried.json.traceback.split("\n")
        for text in rest:
            self._process_text(text, carried, line_number, continuation=True)

    def _process_text(self, text: str, carried: CarriedLine, line_number: int, *, continuation: bool = False) -> None:
        stream = carried.stream
        if kernel_lines.MARK.search(text) and (killed := kernel_lines.parse_oom_line(text)) is not None:
            self._add_oom(killed, carried, line_number)
            return
        record = self._parse_record(text, carried, continuation)
        if record is None:
            if not (carried.layers or continuation) and text is carried.text and len(text) < _PLAIN_CHARACTERS:
                self._remember_plain(text)
            self._process_other(carried, line_number, self._unindent(text, stream))
            return
        if record.own:
            indent = len(text) - len(text.lstrip(" "))
            if stream in self._indents or (indent and len(self._indents) < _MOST_PENDING):
                self._indents[stream] = indent
        written = choose_stamp(record.stamp, carried.stamp)
        if record.own and self._repeated_hour.note(written, stream):
            self._sink.report_repeated_hour(self._repeated_hour.place(written, stream), stream, line_number)
        stamp = self._note_stamp(written, stream)
        self._latest_writer = (stream, carried.carrier_pid)
        pid = record.pid if record.pid is not None else self._find_writer(carried)
        joiner = self._joiner(carried)
        message = record.message
        if (header := parse_header(message)) is not None:
            self._tracebacks.finish(joiner.add_header(header, pid, stamp, line_number), stream)
            self._stay(line_number)
            return
        if message.startswith(_TRACEBACK_HEAD):
            # uvicorn logs the lifespan's traceback as a message.
            self._tracebacks.finish(joiner.add_record(pid, line_number), stream)
            _, closed = joiner.add_line(message, pid, stamp, line_number)
            self._tracebacks.finish(closed, stream)
            self._stay(line_number)
            return
        if (loading := gunicorn_lines.LOADING_ERROR.fullmatch(message)) is not None:
            self._tracebacks.note_loading_error(loading["reason"], line_number, stamp, pid, stream)
            return
        fact = gunicorn_lines.parse_gunicorn_message(message) or uvicorn_lines.parse_uvicorn_message(message)
        if fact is not None and fact.writer is Writer.STDERR:
            joiner.add_line(text, pid, stamp, line_number)
        elif not continuation:
            self._tracebacks.finish(joiner.add_record(pid, line_number), stream)
        if fact is not None:
            self._add_fact(fact, record, pid, stamp, stream, line_number)

    def _unindent(self, text: str, stream: str) -> str:
        """Without the indentation that a paste gave to every line of the stream."""
        indent = self._indents.get(stream, 0)
        return text[indent:] if indent and text[:indent].isspace() else text

    def _parse_record(self, text: str, carried: CarriedLine, continuation: bool) -> LogRecord | None:
        record = parse_own_record(text)
        if record is not None:
            return record
        foreign = parse_foreign_record(text, _PATTERNS, _ANYWHERE) if _ANYWHERE.search(text) is not None else None
        if foreign is not None or carried.json is None or continuation:
            return foreign
        if carried.json.carrier == "line" and len(self._line_shippers) < _MOST_PENDING:
            self._line_shippers.add(carried.stream)
        if carried.json.carrier or carried.stream in self._line_shippers:
            return None
        return LogRecord(text.strip(), own=True)

    def _remember_plain(self, text: str) -> None:
        if len(self._plain) >= _MOST_PLAIN:
            self._plain.clear()
        self._plain.add(text)

    def _process_other(self, carried: CarriedLine, line_number: int, text: str) -> None:
        if not carried.layers and self._latest_writer is not None:
            # What a carrier did not mark goes on with the line above: the rest of a message of several lines.
            carried.stream, carried.carrier_pid = self._latest_writer
        stream = carried.stream
        joiner = self._joiner(carried)
        if begins_record(text):
            self._note_stamp(choose_stamp(parse_stamp(text, newest=self._newest), carried.stamp), stream)
            self._tracebacks.finish(joiner.add_record(None, line_number), stream)
            return
        stamp = self._note_stamp(carried.stamp, stream)
        piece, closed = joiner.add_line(text, self._find_writer(carried), stamp, line_number)
        self._tracebacks.finish(closed, stream)
        if piece:
            self._stay(line_number)
        elif joiner.open is None and (exception := parse_exception(text)) is not None:
            self._tracebacks.note_exception(exception, line_number, stream)

    def _stay(self, line_number: int) -> None:
        self._attentive_until = max(self._attentive_until, line_number + REACH["opens"].after)

    def _find_writer(self, carried: CarriedLine) -> int | None:
        """The pid of a line that does not say it: what the carrier says, where gunicorn knows a worker by it."""
        if carried.pid is not None or carried.carrier_pid is None:
            return carried.pid
        return carried.carrier_pid if (carried.stream, carried.carrier_pid) in self._named else None

    def _joiner(self, carried: CarriedLine) -> TracebackJoiner:
        key = (carried.stream, carried.carrier_pid)
        joiner = self._joiners.get(key)
        if joiner is None:
            joiner = self._joiners[key] = TracebackJoiner()
            if len(self._joiners) > _MOST_JOINERS:
                old_key, old = self._joiners.popitem(last=False)
                self._tracebacks.finish(old.close(), old_key[0])
        return joiner

    def _expire(self, line_number: int) -> None:
        for key, joiner in self._joiners.items():
            if joiner.open is not None:
                self._tracebacks.finish(joiner.expire(line_number), key[0])
        if self._started:
            late = [s for s, started in self._started.items() if line_number - started[2] > REACH["beside"].after]
            for stream in late:
                self._settle_started(stream, None)
        self._tracebacks.expire(line_number)

    def _note_stamp(self, stamp: Stamp | None, stream: str) -> Stamp | None:
        """Remember the latest time of a stream, for lines that have none."""
        latest = self._latest_stamp.get(stream)
        stamp = self._repeated_hour.place(stamp, stream)
        if stamp is None:
            return latest
        # A carrier's stamp without an offset is worse than the writer's own of a line before.
        if (latest is None or latest.naive or not stamp.naive) and (
            latest is not None or len(self._latest_stamp) < _MOST_PENDING
        ):
            self._latest_stamp[stream] = stamp
        return stamp

    # --- facts to events ---

    def _add_oom(self, killed: kernel_lines.OomKill, carried: CarriedLine, line_number: int) -> None:
        stamp = self._note_stamp(carried.stamp, carried.stream)
        at = stamp.at if stamp is not None else None
        if self._repeated.is_repetition((KernelOomKilled, killed.pid), at, line_number, within_s=10.0, within_lines=60):
            return
        self._sink.emit(
            KernelOomKilled,
            stamp,
            carried.stream,
            line_number,
            pid=killed.pid,
            process=killed.process,
            cgroup=killed.cgroup,
            wording=killed.wording,
        )

    def _add_fact(
        self, fact: Fact, record: LogRecord, pid: int | None, stamp: Stamp | None, stream: str, line_number: int
    ) -> None:
        worker_pid, master_pid = fact.pid, None
        if worker_pid is not None:
            add_bounded(self._named, (stream, worker_pid))
        if fact.writer is Writer.MASTER:
            master_pid = pid if pid is not None else fact.master_pid
            if master_pid is None and fact.event is not MasterStarted:
                # The format names no writer; the master said its pid once, when it began to listen.
                master_pid = self._latest_master.get(stream)
            if master_pid is not None and (len(self._latest_master) < _MOST_PENDING or stream in self._latest_master):
                self._latest_master[stream] = master_pid
        elif fact.writer is Writer.STDERR:
            master_pid = self._latest_master.get(stream)
        elif worker_pid is None:
            worker_pid = pid if pid is not None else self._startup_steps.find(stream, fact)
        if fact.event is MasterStarted and master_pid is None:
            self._settle_started(stream, None)
            if len(self._started) < _MOST_PENDING:
                self._started[stream] = (fact, stamp, line_number)
                return
        elif stream in self._started:
            self._settle_started(stream, master_pid if fact.event is MasterListening else None)
        if self._is_repetition(fact, worker_pid, master_pid, record, stamp, stream, line_number):
            return
        worker = None
        if worker_pid is not None:
            if fact.event is WorkerBooted:
                worker = self._identities.boot(stream, worker_pid)
            else:
                worker = self._identities.find(stream, worker_pid)
        self._startup_steps.track(stream, fact, worker)
        if fact.event is WorkerBootFailed:
            self._tracebacks.add_start_failure(fact, worker, stamp, stream, line_number)
            return
        if fact.event is WorkerExiting and worker is not None:
            self._tracebacks.note_exit(worker, stamp, stream, line_number)
        if fact.event is WorkerSignalled and worker is not None:
            self._tracebacks.settle_dump(stream, worker)
        if fact.event is WorkerTimedOut and worker is not None:
            self._tracebacks.note_time_out(worker, stamp, stream, line_number, master_pid)
        self._sink.emit(fact.event, stamp, stream, line_number, worker=worker, master_pid=master_pid, **fact.values)

    def _is_repetition(
        self,
        fact: Fact,
        worker_pid: int | None,
        master_pid: int | None,
        record: LogRecord,
        stamp: Stamp | None,
        stream: str,
        line_number: int,
    ) -> bool:
        if fact.event is MasterSignalled:
            # Two signals in one second are two facts.
            return False
        if fact.event is WorkerTimedOut and not record.has_offset:
            # Up to 18.0 the line repeats each loop until the worker is gone; the analysis merges by worker.
            return False
        if fact.event is MasterHalted:
            master_pid = None
        if fact.event in (WorkerReady, WorkerProgressed) and worker_pid is None:
            return False
        values = tuple(sorted((name, str(value)) for name, value in fact.values.items()))
        key = (fact.event, stream, worker_pid, master_pid, values)
        return self._repeated.is_repetition(key, stamp.at if stamp is not None else None, line_number)

    def _settle_started(self, stream: str, master_pid: int | None) -> None:
        """A start in a format that names no writer: the line about listening, right below, says who it was."""
        started = self._started.pop(stream, None)
        if started is None:
            return
        fact, stamp, line_number = started
        key = (fact.event, stream, master_pid, str(fact.values))
        if not self._repeated.is_repetition(key, stamp.at if stamp is not None else None, line_number):
            self._sink.emit(fact.event, stamp, stream, line_number, master_pid=master_pid, **fact.values)
