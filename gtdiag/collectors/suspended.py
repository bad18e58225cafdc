"""A worker's memory to its suspended code (asyncio tasks, greenlets); one open interpreter is kept for each worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gtdiag.collectors.containers import find_own_engine
from gtdiag.collectors.permissions import say_rerun
from gtdiag.collectors.processes import is_alive, is_replaced
from gtdiag.collectors.requests import SeenRequest
from gtdiag.errors import GtdiagError
from gtdiag.model.identity import WorkerId
from gtdiag.model.stacks import NamedHost, SuspendedCode, ThreadStack


class Reading(Protocol):
    """What one look at an interpreter gives."""

    @property
    def suspended(self) -> tuple[SuspendedCode, ...]:
        """Tasks and greenlets."""

    @property
    def truncated(self) -> bool:
        """Whether there were more than were read."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read, in words."""


class RestingReading(Protocol):
    """What one look at an interpreter at rest gives."""

    @property
    def suspended(self) -> Reading:
        """Tasks and greenlets."""

    @property
    def threads(self) -> tuple[ThreadStack, ...] | None:
        """The stacks of all threads; None where it is not known which is which."""

    @property
    def requests(self) -> Sequence[SeenRequest]:
        """The requests that are being handled."""

    @property
    def named_hosts(self) -> tuple[NamedHost, ...]:
        """The hosts that waiting frames name."""


class OpenInterpreter(Protocol):
    """The part of `gtdiag.interpreter.Interpreter` that is needed here."""

    def read_suspended(self) -> Reading:
        """Read all suspended code once."""

    def read_at_rest(self, *, with_query_values: bool, with_hosts: bool) -> RestingReading | None:
        """Read everything at once; None where a thread runs meanwhile."""

    def read_threads(self) -> tuple[ThreadStack, ...]:
        """Read the stacks of the running threads."""

    def read_requests(self, *, with_query_values: bool) -> Sequence[SeenRequest]:
        """Read the requests that are being handled."""

    def read_named_hosts(self) -> tuple[NamedHost, ...]:
        """Read the hosts that waiting frames name."""

    def close(self) -> None:
        """Let go of the process's memory."""


@dataclass(frozen=True, slots=True)
class SuspendedLook:
    """What one look saw: the suspended code, or why there is none."""

    suspended: tuple[SuspendedCode, ...] | None
    truncated: bool = False
    problems: tuple[str, ...] = ()
    why: str = ""
    hint: str = ""
    gone: bool = False


class SuspendedReader:
    """Reads suspended code, opening each worker's interpreter once. Safe to use from several threads."""

    def __init__(self, open_interpreter: Callable[[int], OpenInterpreter] | None = None) -> None:
        self._open = open_interpreter or _open
        self._lock = threading.Lock()
        self._interpreters: dict[WorkerId, OpenInterpreter] = {}

    def read(self, worker: WorkerId) -> SuspendedLook:
        """Look once; a failure is a value, since memory that changes while it is read can yield anything."""
        try:
            reading = self._interpreter_of(worker).read_suspended()
        except GtdiagError as error:
            from gtdiag.interpreter.errors import InterpreterGoneError  # imported by now, see _open

            self.forget(worker)
            return SuspendedLook(
                None,
                why=getattr(error, "why", "") or error.message,
                hint=say_rerun(worker.pid) if "sudo " in error.hint and find_own_engine() else error.hint,
                gone=isinstance(error, InterpreterGoneError) or not is_alive(worker.pid, worker.started_at_s),
            )
        except (OSError, ValueError) as error:
            self.forget(worker)
            return SuspendedLook(
                None, why=f"reading the memory failed: {error}", gone=not is_alive(worker.pid, worker.started_at_s)
            )
        return SuspendedLook(tuple(reading.suspended), truncated=reading.truncated, problems=tuple(reading.problems))

    def read_at_rest(self, worker: WorkerId, *, with_query_values: bool, with_hosts: bool) -> RestingReading | None:
        """Everything at once, of a process none of whose threads runs; None where that cannot be had, whyever."""
        try:
            return self._interpreter_of(worker).read_at_rest(with_query_values=with_query_values, with_hosts=with_hosts)
        except (GtdiagError, OSError, ValueError):
            return None  # reading it part by part says why

    def read_threads(self, worker: WorkerId) -> tuple[ThreadStack, ...]:
        """The stacks of a worker's threads, from its memory; empty where they cannot be read."""
        try:
            return self._interpreter_of(worker).read_threads()
        except (GtdiagError, OSError, ValueError):
            return ()  # reading the suspended code says why

    def read_named_hosts(self, worker: WorkerId) -> tuple[NamedHost, ...]:
        """The hosts that the waiting frames of a process name; of one whose suspended code has just been read."""
        with self._lock:
            interpreter = self._interpreters.get(worker)
        if interpreter is None:
            return ()
        try:
            return interpreter.read_named_hosts()
        except (GtdiagError, OSError, ValueError):
            return ()  # a name is a nicety; had nothing been readable, the suspended code would have said so

    def read_requests(self, worker: WorkerId, *, with_query_values: bool) -> Sequence[SeenRequest] | None:
        """The requests of a worker whose suspended code has just been read; None where they cannot be read."""
        with self._lock:
            interpreter = self._interpreters.get(worker)
        if interpreter is None:
            return None
        try:
            return interpreter.read_requests(with_query_values=with_query_values)
        except (GtdiagError, OSError, ValueError):
            return None  # it has just ended; had it not been readable, the suspended code would have said so

    def _interpreter_of(self, worker: WorkerId) -> OpenInterpreter:
        with self._lock:
            interpreter = self._interpreters.get(worker)
        if interpreter is None:
            interpreter = self._open(worker.pid)
            # What is open stays that process's memory, whoever gets the pid; until then it may have been given away.
            if is_replaced(worker):
                from gtdiag.interpreter.errors import InterpreterGoneError  # imported by now, see _open

                interpreter.close()
                raise InterpreterGoneError(worker.pid, "the process has ended, and its pid is another's by now")
            with self._lock:
                self._interpreters[worker] = interpreter
        return interpreter

    def forget(self, worker: WorkerId) -> None:
        """Close the interpreter of a worker that is gone."""
        with self._lock:
            interpreter = self._interpreters.pop(worker, None)
        if interpreter is not None:
            interpreter.close()

    def close(self) -> None:
        """Close all of them."""
        for worker in list(self._interpreters):
            self.forget(worker)


def _open(pid: int) -> OpenInterpreter:
    # Imported when first needed: reading ELF files is no part of an ordinary start.
    from gtdiag.interpreter import open_interpreter

    return open_interpreter(pid)
