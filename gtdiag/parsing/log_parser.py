"""Lines of one log to events: takes off prefixes, reads the message, joins tracebacks, keeps workers apart.

Only tell-tale lines and their surroundings are looked at (`relevance`); everything else is skipped, so that a reader
may skip it too and gets the same events.
"""

from __future__ import annotations

import itertools
import re
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from gtdiag.model.events import (
    CollectionGap,
    Event,
    KernelOomKilled,
    MasterHalted,
    MasterListening,
    MasterSignalled,
    MasterStarted,
    TracebackLogged,
    WorkerBooted,
    WorkerBootFailed,
    WorkerExiting,
    WorkerProgressed,
    WorkerReady,
    WorkerSignalled,
    WorkerTimedOut,
)
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.model.stacks import Frame
from gtdiag.parsing import gunicorn_lines, kernel_lines, uvicorn_lines
from gtdiag.parsing.control_characters import strip_control_characters
from gtdiag.parsing.gunicorn_lines import Fact, Header, HeaderKind, Writer, parse_header
from gtdiag.parsing.prefixes import CarriedLine, unwrap, unwrap_joined
from gtdiag.parsing.record_lines import LogRecord, begins_record, parse_foreign_record, parse_own_record
from gtdiag.parsing.relevance import HEAD_LINES, LINE_CHARACTERS, LOOK_BACK_CHARACTERS, REACH, find_reach
from gtdiag.parsing.repeated_facts import RepeatedFacts
from gtdiag.parsing.timestamps import Stamp, choose_stamp, parse_stamp
from gtdiag.parsing.tracebacks import (
    JoinedTraceback,
    TracebackJoiner,
    is_idle_event_loop,
    parse_exception,
    settle,
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
_MOST_PENDING = 256
_PARTIAL_CHARACTERS = 1_048_576
_ABORT_REACH_S = 120.0
"""A traceback without a pid is a timed-out worker's only this soon after the time-out."""
_AFTER_DUMP_LINES = 12
_CUT_FAILURE_LINES = 200


class LogParser:
    """Parses one log, line by line; `feed` returns the events a line completed, `flush` what was still open.

    `file`: its name, for the events' origin. `newest`: a moment at or after the last line, which gives the year to
    stamps without one. `identities`: shared by the parts of one rotated log. `seq`: shared by all files of one stream
    of events. Naive stamps are read as UTC; that is said once, in a `CollectionGap`.
    """

    def __init__(
        self,
        file: str | None = None,
        *,
        newest: datetime | None = None,
        identities: WorkerIdentities | None = None,
        seq: Iterator[int] | None = None,
    ) -> None:
        self._file = file
        self._newest = newest
        self._identities = identities or WorkerIdentities()
        self._seq = seq if seq is not None else itertools.count()
        self._repeated = RepeatedFacts()
        self._look_back: deque[tuple[str, int]] = deque()
        self._look_back_characters = 0
        self._attentive_until = HEAD_LINES
        self._last_line = 0
        self._joiners: OrderedDict[tuple[str, int | None], TracebackJoiner] = OrderedDict()
        self._partial: dict[str, str] = {}
        self._events: list[Event] = []
        self._latest_stamp: dict[str, Stamp] = {}
        self._latest_master: dict[str, int] = {}
        self._timed_out: OrderedDict[tuple[str, int], tuple[WorkerId, datetime | None, int, int | None]] = OrderedDict()
        self._starting: dict[str, list[tuple[int, str]]] = {}
        self._ready: OrderedDict[tuple[str, WorkerId], None] = OrderedDict()
        self._boot_failed: OrderedDict[tuple[str, WorkerId], None] = OrderedDict()
        self._start_traceback: OrderedDict[tuple[str, int | None], JoinedTraceback] = OrderedDict()
        self._bare: dict[str, tuple[str, int, Stamp | None, int | None]] = {}
        self._loose_exception: dict[str, tuple[str, int]] = {}
        self._cut_failures: dict[str, list[tuple[WorkerId, str, datetime | None, int]]] = {}
        self._headless_boot: dict[str, JoinedTraceback] = {}
        self._homeless_dump: dict[str, JoinedTraceback] = {}
        self._indents: dict[str, int] = {}
        self._naive_reported = False
        self._started: dict[str, tuple[Fact, Stamp | None, int]] = {}
        self._latest_writer: tuple[str, int | None] | None = None
        """Stream and carrier's pid of the latest record."""
        self._named: OrderedDict[tuple[str, int], None] = OrderedDict()
        """Pids that gunicorn itself named as a worker's."""
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
        return self._drain()

    def flush(self) -> list[Event]:
        """End of the log (or of what is there of it): close whatever is open."""
        for key, joiner in list(self._joiners.items()):
            self._finish(joiner.close(), key[0], at_end=True)
        self._joiners.clear()
        for stream in list(self._bare):
            self._settle_bare(stream, None)
        for stream in list(self._started):
            self._settle_started(stream, None)
        for stream in list(self._headless_boot):
            self._settle_headless_boot(stream, None)
        for stream in list(self._homeless_dump):
            self._settle_dump(stream, None)
        return self._drain()

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

    def _drain(self) -> list[Event]:
        drained, self._events = self._events, []
        return drained

    # --- one line ---

    def _process(self, raw: str, line_number: int) -> None:
        if line_number != self._last_line + 1:
            for key, joiner in list(self._joiners.items()):
                self._finish(joiner.expire(line_number), key[0])
                joiner.skip()
        self._last_line = line_number
        self._expire(line_number)
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
        if (killed := kernel_lines.parse_oom_line(text)) is not None:
            self._add_oom(killed, carried, line_number)
            return
        record = self._parse_record(text, carried, continuation)
        if record is None:
            self._process_other(self._unindent(text, stream), carried, line_number)
            return
        if record.own:
            indent = len(text) - len(text.lstrip(" "))
            if stream in self._indents or (indent and len(self._indents) < _MOST_PENDING):
                self._indents[stream] = indent
        stamp = self._note_stamp(choose_stamp(record.stamp, carried.stamp), stream)
        self._latest_writer = (stream, carried.carrier_pid)
        pid = record.pid if record.pid is not None else self._find_writer(carried)
        joiner = self._joiner(carried)
        message = record.message
        if (header := parse_header(message)) is not None:
            self._finish(joiner.add_header(header, pid, stamp, line_number), stream)
            self._stay(line_number)
            return
        if message.startswith(_TRACEBACK_HEAD):
            # uvicorn logs the lifespan's traceback as a message.
            self._finish(joiner.add_record(pid, line_number), stream)
            _, closed = joiner.add_line(message, pid, stamp, line_number)
            self._finish(closed, stream)
            self._stay(line_number)
            return
        if (loading := gunicorn_lines.LOADING_ERROR.fullmatch(message)) is not None:
            self._settle_bare(stream, None)
            self._bare[stream] = (loading["reason"], line_number, stamp, pid)
            return
        fact = gunicorn_lines.parse_gunicorn_message(message) or uvicorn_lines.parse_uvicorn_message(message)
        if fact is not None and fact.writer is Writer.STDERR:
            joiner.add_line(text, pid, stamp, line_number)
        elif not continuation:
            self._finish(joiner.add_record(pid, line_number), stream)
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

    def _process_other(self, text: str, carried: CarriedLine, line_number: int) -> None:
        if not carried.layers and self._latest_writer is not None:
            # What a carrier did not mark goes on with the line above: the rest of a message of several lines.
            carried.stream, carried.carrier_pid = self._latest_writer
        stream = carried.stream
        joiner = self._joiner(carried)
        if begins_record(text):
            self._note_stamp(choose_stamp(parse_stamp(text, newest=self._newest), carried.stamp), stream)
            self._finish(joiner.add_record(None, line_number), stream)
            return
        stamp = carried.stamp if carried.stamp is not None else self._latest_stamp.get(stream)
        if carried.stamp is not None:
            self._note_stamp(carried.stamp, stream)
        piece, closed = joiner.add_line(text, self._find_writer(carried), stamp, line_number)
        self._finish(closed, stream)
        if piece:
            self._stay(line_number)
        elif joiner.open is None and (exception := parse_exception(text)) is not None:
            self._loose_exception[stream] = (exception, line_number)

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
                self._finish(old.close(), old_key[0])
        return joiner

    def _expire(self, line_number: int) -> None:
        for key, joiner in self._joiners.items():
            if joiner.open is not None:
                self._finish(joiner.expire(line_number), key[0])
        for stream in [s for s, bare in self._bare.items() if line_number - bare[1] > REACH["beside"].after]:
            self._settle_bare(stream, None)
        for stream in [s for s, started in self._started.items() if line_number - started[2] > REACH["beside"].after]:
            self._settle_started(stream, None)
        for stream in [s for s, j in self._headless_boot.items() if line_number - j.last_line > _AFTER_DUMP_LINES]:
            self._settle_headless_boot(stream, None)
        for stream in [s for s, j in self._homeless_dump.items() if line_number - j.last_line > _AFTER_DUMP_LINES]:
            self._settle_dump(stream, None)

    def _note_stamp(self, stamp: Stamp | None, stream: str) -> Stamp | None:
        """Remember the latest time of a stream, for lines that have none."""
        latest = self._latest_stamp.get(stream)
        if stamp is None:
            return latest
        # A carrier's stamp without an offset is worse than the writer's own of a line before.
        if (latest is None or latest.naive or not stamp.naive) and (
            latest is not None or len(self._latest_stamp) < _MOST_PENDING
        ):
            self._latest_stamp[stream] = stamp
        return stamp

    def _report_naive(self, stamp: Stamp, stream: str, line_number: int) -> None:
        """Say once that times are read as UTC because the log does not say otherwise."""
        self._naive_reported = True
        self._emit(
            CollectionGap,
            replace(stamp, naive=False),
            stream,
            line_number,
            what="time_stamps",
            why="the time stamps have no offset from UTC; they are read as UTC",
            hint="times across files and time zones may be off; gunicorn 19.2 and later log the offset by default",
        )

    # --- facts to events ---

    def _emit(
        self,
        event: type[Event],
        stamp: Stamp | None,
        stream: str,
        line_number: int,
        *,
        worker: WorkerId | None = None,
        master_pid: int | None = None,
        **values: Any,
    ) -> None:
        if stamp is not None and stamp.naive and not self._naive_reported:
            self._report_naive(stamp, stream, line_number)
        self._events.append(
            event(
                origin=Origin(source="log", file=self._file, line=line_number, stream=stream),
                at=stamp.at if stamp is not None else None,
                resolution_s=stamp.resolution_s if stamp is not None else 1.0,
                seq=next(self._seq),
                worker=worker,
                master_pid=master_pid,
                **values,
            )
        )

    def _add_oom(self, killed: kernel_lines.OomKill, carried: CarriedLine, line_number: int) -> None:
        stamp = self._note_stamp(carried.stamp, carried.stream)
        at = stamp.at if stamp is not None else None
        if self._repeated.is_repetition((KernelOomKilled, killed.pid), at, line_number, within_s=10.0, within_lines=60):
            return
        self._emit(
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
            _bounded_add(self._named, (stream, worker_pid))
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
            worker_pid = pid if pid is not None else self._find_starting(stream, fact)
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
        self._track_start(stream, fact, worker)
        if fact.event is WorkerBootFailed:
            self._add_start_failure(fact, worker, stamp, stream, line_number)
            return
        if fact.event is WorkerExiting and worker is not None:
            self._note_exit(worker, stamp, stream, line_number)
        if fact.event is WorkerSignalled and worker is not None:
            self._settle_dump(stream, worker)
        if fact.event is WorkerTimedOut and worker is not None:
            self._note_time_out(worker, stamp, stream, line_number, master_pid)
        self._emit(fact.event, stamp, stream, line_number, worker=worker, master_pid=master_pid, **fact.values)

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

    def _find_starting(self, stream: str, fact: Fact) -> int | None:
        """The worker a start-up line without a pid is about: the first one that waits for this step."""
        wanted = ("imported",) if fact.values.get("step") == "lifespan" else ("lifespan", "imported")
        starting = self._starting.get(stream, ())
        for step in wanted:
            for pid, state in starting:
                if state == step:
                    return pid
        return None

    def _track_start(self, stream: str, fact: Fact, worker: WorkerId | None) -> None:
        if worker is None:
            return
        starting = self._starting.get(stream)
        if starting is None:
            if len(self._starting) >= _MOST_PENDING:
                return
            starting = self._starting[stream] = []
        if fact.event is WorkerProgressed:
            starting[:] = [item for item in starting if item[0] != worker.pid][-_MOST_PENDING:]
            starting.append((worker.pid, str(fact.values["step"])))
        elif fact.event is not WorkerTimedOut:
            starting[:] = [item for item in starting if item[0] != worker.pid]
        if fact.event is WorkerReady:
            _bounded_add(self._ready, (stream, worker))

    def _note_time_out(
        self, worker: WorkerId, stamp: Stamp | None, stream: str, line_number: int, master_pid: int | None
    ) -> None:
        key = (stream, worker.pid)
        self._timed_out.pop(key, None)
        self._timed_out[key] = (worker, stamp.at if stamp is not None else None, line_number, master_pid)
        if len(self._timed_out) > _MOST_PENDING:
            self._timed_out.popitem(last=False)

    def _find_timed_out(self, stream: str, at: datetime | None) -> WorkerId | None:
        """The worker a traceback without a pid is of: the only one timed out just before that has none yet."""
        near = [
            worker
            for (of_stream, _), (worker, when, _, _) in self._timed_out.items()
            if of_stream == stream
            and (at is None or when is None or abs((at - when).total_seconds()) <= _ABORT_REACH_S)
        ]
        return near[0] if len(near) == 1 else None

    def _settle_started(self, stream: str, master_pid: int | None) -> None:
        """A start in a format that names no writer: the line about listening, right below, says who it was."""
        started = self._started.pop(stream, None)
        if started is None:
            return
        fact, stamp, line_number = started
        key = (fact.event, stream, master_pid, str(fact.values))
        if not self._repeated.is_repetition(key, stamp.at if stamp is not None else None, line_number):
            self._emit(fact.event, stamp, stream, line_number, master_pid=master_pid, **fact.values)

    # --- failed starts ---

    def _note_exit(self, worker: WorkerId, stamp: Stamp | None, stream: str, line_number: int) -> None:
        self._settle_bare(stream, worker)
        self._settle_headless_boot(stream, worker)
        loose = self._loose_exception.pop(stream, None)
        if loose is not None and line_number - loose[1] == 1 and not worker.spawn:
            # Perhaps the end of a boot failure whose head is not in the log; known when another worker fails alike.
            cut = self._cut_failures.setdefault(stream, [])
            cut.append((worker, loose[0], stamp.at if stamp is not None else None, line_number))
            del cut[:-8]

    def _settle_bare(self, stream: str, worker: WorkerId | None) -> None:
        """A bare loading error belongs to the worker that exits next."""
        bare = self._bare.pop(stream, None)
        if bare is None:
            return
        reason, line_number, stamp, pid = bare
        if pid is not None:
            worker = self._identities.find(stream, pid)
        self._add_boot_failure(worker, reason, (), stamp, stream, line_number)

    def _settle_headless_boot(self, stream: str, worker: WorkerId | None) -> None:
        joined = self._headless_boot.pop(stream, None)
        if joined is not None:
            part = joined.parts[-1]
            self._add_boot_failure(
                worker,
                part.exception or "Exception in worker process",
                tuple(part.frames),
                joined.stamp,
                stream,
                joined.line,
            )

    def _settle_dump(self, stream: str, worker: WorkerId | None) -> None:
        joined = self._homeless_dump.pop(stream, None)
        if joined is not None:
            self._emit_traceback(joined, "faulthandler", tuple(joined.parts[-1].frames), True, worker, stream)

    def _add_start_failure(
        self, fact: Fact, worker: WorkerId | None, stamp: Stamp | None, stream: str, line_number: int
    ) -> None:
        """uvicorn's "Application startup failed", with the traceback logged just before it."""
        pid = worker.pid if worker is not None else None
        for key in ((stream, pid), (stream, None)):
            joined = self._start_traceback.pop(key, None)
            if joined is not None and line_number - joined.last_line <= REACH["closes"].before:
                part = joined.parts[-1]
                reason = part.exception or str(fact.values["reason"])
                self._add_boot_failure(worker, reason, tuple(part.frames), stamp, stream, line_number)
                return
        self._add_boot_failure(worker, str(fact.values["reason"]), (), stamp, stream, line_number)

    def _add_boot_failure(
        self,
        worker: WorkerId | None,
        reason: str,
        frames: tuple[Frame, ...],
        stamp: Stamp | None,
        stream: str,
        line_number: int,
    ) -> None:
        if worker is not None:
            if (stream, worker) in self._boot_failed:
                return
            _bounded_add(self._boot_failed, (stream, worker))
        for cut_worker, cut_reason, cut_at, cut_line in self._cut_failures.pop(stream, ()):
            alike = cut_reason == reason and line_number - cut_line <= _CUT_FAILURE_LINES
            if alike and cut_worker != worker and (stream, cut_worker) not in self._boot_failed:
                _bounded_add(self._boot_failed, (stream, cut_worker))
                cut_stamp = Stamp(cut_at, 1.0) if cut_at is not None else None
                self._emit(WorkerBootFailed, cut_stamp, stream, cut_line, worker=cut_worker, reason=cut_reason)
        self._emit(WorkerBootFailed, stamp, stream, line_number, worker=worker, reason=reason, frames=frames)

    # --- tracebacks to events ---

    def _finish(self, joined: JoinedTraceback | None, stream: str, *, at_end: bool = False) -> None:
        if joined is None:
            return
        settle(joined)
        if joined.dump:
            self._finish_dump(joined, stream)
            return
        header = joined.header
        abort = joined.find_abort()
        if abort is not None and (header is None or header.kind is not HeaderKind.BOOT or abort):
            interrupted = bool(abort) and not joined.mixed and not is_idle_event_loop(abort)
            worker = self._find_worker(joined, stream)
            self._emit_traceback(joined, "abort", abort, interrupted, worker, stream)
            return
        if header is None:
            self._finish_headless(joined, stream)
            return
        worker = self._identities.find(stream, joined.pid) if joined.pid is not None else None
        if header.kind is HeaderKind.BOOT and not self._was_serving(joined, stream, worker):
            part = next((part for part in reversed(joined.parts) if part.frames or part.exception), joined.parts[-1])
            self._add_boot_failure(
                worker, part.exception or header.text, tuple(part.frames), joined.stamp, stream, joined.line
            )
            return
        if header.kind is HeaderKind.LIFESPAN:
            _bounded_set(self._start_traceback, (stream, joined.pid), joined)
        cut = at_end and not joined.parts[-1].frames
        # gunicorn was reading from the client: the header alone says what the interrupted worker did.
        interrupted = cut and header.no_uri_read and worker is not None and (stream, worker.pid) in self._timed_out
        kind = "abort" if interrupted else "exception"
        self._emit_traceback(joined, kind, tuple(joined.parts[-1].frames), interrupted, worker, stream)

    def _finish_dump(self, joined: JoinedTraceback, stream: str) -> None:
        if not joined.current_thread or not joined.parts[-1].frames:
            return
        worker = self._find_worker(joined, stream)
        if worker is None:
            # A crash: the master names the pid below the dump.
            self._settle_dump(stream, None)
            self._homeless_dump[stream] = joined
            return
        self._emit_traceback(joined, "faulthandler", tuple(joined.parts[-1].frames), True, worker, stream)

    def _finish_headless(self, joined: JoinedTraceback, stream: str) -> None:
        frames = joined.parts[-1].frames
        if (
            frames
            and frames[0].function == "spawn_worker"
            and "gunicorn/arbiter.py" in frames[0].file.replace("\\", "/")
        ):
            if joined.pid is not None:
                worker = self._identities.find(stream, joined.pid)
                if not self._was_serving(joined, stream, worker):
                    reason = joined.parts[-1].exception or "Exception in worker process"
                    self._add_boot_failure(worker, reason, tuple(frames), joined.stamp, stream, joined.line)
            else:
                self._settle_headless_boot(stream, None)
                self._headless_boot[stream] = joined
            return
        if frames:
            _bounded_set(self._start_traceback, (stream, joined.pid), joined)

    def _was_serving(self, joined: JoinedTraceback, stream: str, worker: WorkerId | None) -> bool:
        """Whether the exception came after the start: from the worker's main loop, or from a worker that was ready."""
        if worker is not None and (stream, worker) in self._ready:
            return True
        frames = [frame for part in joined.parts for frame in part.frames]
        return any(frame.function == "run" and "gunicorn/workers/" in frame.file.replace("\\", "/") for frame in frames)

    def _find_worker(self, joined: JoinedTraceback, stream: str) -> WorkerId | None:
        if joined.pid is not None:
            self._timed_out.pop((stream, joined.pid), None)
            return self._identities.find(stream, joined.pid)
        worker = self._find_timed_out(stream, joined.stamp.at if joined.stamp is not None else None)
        if worker is not None:
            self._timed_out.pop((stream, worker.pid), None)
        return worker

    def _emit_traceback(
        self,
        joined: JoinedTraceback,
        kind: str,
        frames: tuple[Frame, ...],
        interrupted: bool,
        worker: WorkerId | None,
        stream: str,
    ) -> None:
        header = joined.header or Header(HeaderKind.REQUEST, joined.title)
        if joined.header is not None:
            key = (TracebackLogged, stream, worker, header.text, frames)
            at = joined.stamp.at if joined.stamp is not None else None
            if self._repeated.is_repetition(key, at, joined.line):
                return
        self._emit(
            TracebackLogged,
            joined.stamp,
            stream,
            joined.line,
            worker=worker,
            kind=kind,
            frames=frames,
            exception=joined.parts[-1].exception,
            interrupted=interrupted,
            header=header.text,
            method=header.method,
            path=header.path,
            no_uri_read=header.no_uri_read,
            truncated=joined.mixed
            or joined.disordered
            or (not joined.dump and not joined.parts[-1].exception and not (kind == "abort" and frames)),
        )


def _bounded_add(kept: OrderedDict[Any, None], key: Any) -> None:
    kept[key] = None
    if len(kept) > 4096:
        kept.popitem(last=False)


def _bounded_set(kept: OrderedDict[Any, JoinedTraceback], key: Any, joined: JoinedTraceback) -> None:
    kept[key] = joined
    if len(kept) > 16:
        kept.popitem(last=False)
