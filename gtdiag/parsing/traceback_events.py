"""Joined tracebacks and failed starts to events: whose they are, and what they say."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Any

from gtdiag.model.events import TracebackLogged, WorkerBootFailed
from gtdiag.model.identity import WorkerId
from gtdiag.model.stacks import Frame
from gtdiag.parsing.event_sink import EventSink
from gtdiag.parsing.gunicorn_lines import Fact, Header, HeaderKind
from gtdiag.parsing.relevance import REACH
from gtdiag.parsing.repeated_facts import RepeatedFacts
from gtdiag.parsing.startup_steps import StartupSteps, add_bounded
from gtdiag.parsing.timestamps import Stamp
from gtdiag.parsing.tracebacks import JoinedTraceback, is_idle_event_loop, settle
from gtdiag.parsing.worker_identity import WorkerIdentities

_MOST_PENDING = 256
_ABORT_REACH_S = 120.0
"""A traceback without a pid is a timed-out worker's only this soon after the time-out."""
_AFTER_DUMP_LINES = 12
_CUT_FAILURE_LINES = 200


class TracebackEvents:
    """Finds the worker of each traceback; one that names none waits here for the line that does."""

    def __init__(
        self, sink: EventSink, identities: WorkerIdentities, repeated: RepeatedFacts, startup_steps: StartupSteps
    ) -> None:
        self._sink = sink
        self._identities = identities
        self._repeated = repeated
        self._startup_steps = startup_steps
        self._timed_out: OrderedDict[tuple[str, int], tuple[WorkerId, datetime | None, int, int | None]] = OrderedDict()
        self._boot_failed: OrderedDict[tuple[str, WorkerId], None] = OrderedDict()
        self._start_traceback: OrderedDict[tuple[str, int | None], JoinedTraceback] = OrderedDict()
        self._bare: dict[str, tuple[str, int, Stamp | None, int | None]] = {}
        self._loose_exception: dict[str, tuple[str, int]] = {}
        self._cut_failures: dict[str, list[tuple[WorkerId, str, datetime | None, int]]] = {}
        self._headless_boot: dict[str, JoinedTraceback] = {}
        self._homeless_dump: dict[str, JoinedTraceback] = {}

    def expire(self, line_number: int) -> None:
        """Give up waiting where the line that would have said more should have come by now."""
        if not (self._bare or self._headless_boot or self._homeless_dump):
            return
        for stream in [s for s, bare in self._bare.items() if line_number - bare[1] > REACH["beside"].after]:
            self._settle_bare(stream, None)
        for stream in [s for s, j in self._headless_boot.items() if line_number - j.last_line > _AFTER_DUMP_LINES]:
            self._settle_headless_boot(stream, None)
        for stream in [s for s, j in self._homeless_dump.items() if line_number - j.last_line > _AFTER_DUMP_LINES]:
            self.settle_dump(stream, None)

    def flush(self) -> None:
        """End of the log: nothing more will come."""
        for stream in list(self._bare):
            self._settle_bare(stream, None)
        for stream in list(self._headless_boot):
            self._settle_headless_boot(stream, None)
        for stream in list(self._homeless_dump):
            self.settle_dump(stream, None)

    def note_loading_error(
        self, reason: str, line_number: int, stamp: Stamp | None, pid: int | None, stream: str
    ) -> None:
        """A bare line on stderr says why the application cannot be loaded."""
        self._settle_bare(stream, None)
        self._bare[stream] = (reason, line_number, stamp, pid)

    def note_exception(self, exception: str, line_number: int, stream: str) -> None:
        """A line like a traceback's last, outside any traceback: perhaps the end of one that is cut off."""
        self._loose_exception[stream] = (exception, line_number)

    def note_time_out(
        self, worker: WorkerId, stamp: Stamp | None, stream: str, line_number: int, master_pid: int | None
    ) -> None:
        """Remember a time-out: a traceback without a pid may be of this worker."""
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

    def note_exit(self, worker: WorkerId, stamp: Stamp | None, stream: str, line_number: int) -> None:
        """A worker left by itself: what was waiting for its pid belongs to it."""
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

    def settle_dump(self, stream: str, worker: WorkerId | None) -> None:
        """A crash dump without a pid belongs to the worker whose end is told next."""
        joined = self._homeless_dump.pop(stream, None)
        if joined is not None:
            self._emit_traceback(joined, "faulthandler", tuple(joined.parts[-1].frames), True, worker, stream)

    def add_start_failure(
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
            add_bounded(self._boot_failed, (stream, worker))
        for cut_worker, cut_reason, cut_at, cut_line in self._cut_failures.pop(stream, ()):
            alike = cut_reason == reason and line_number - cut_line <= _CUT_FAILURE_LINES
            if alike and cut_worker != worker and (stream, cut_worker) not in self._boot_failed:
                add_bounded(self._boot_failed, (stream, cut_worker))
                cut_stamp = Stamp(cut_at, 1.0) if cut_at is not None else None
                self._sink.emit(WorkerBootFailed, cut_stamp, stream, cut_line, worker=cut_worker, reason=cut_reason)
        self._sink.emit(WorkerBootFailed, stamp, stream, line_number, worker=worker, reason=reason, frames=frames)

    def finish(self, joined: JoinedTraceback | None, stream: str, *, at_end: bool = False) -> None:
        """A closed traceback to the event it stands for, or kept until the line that says whose it is."""
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
            self.settle_dump(stream, None)
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
        if worker is not None and self._startup_steps.was_ready(stream, worker):
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
        self._sink.emit(
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


def _bounded_set(kept: OrderedDict[Any, JoinedTraceback], key: Any, joined: JoinedTraceback) -> None:
    kept[key] = joined
    if len(kept) > 16:
        kept.popitem(last=False)
