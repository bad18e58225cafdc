"""One worker to one deep look at it: its threads' stacks, its suspended code, its requests, its sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gtdiag.collectors.clock import Clock
from gtdiag.collectors.kernel_side import KernelSideReader
from gtdiag.collectors.permissions import say_rerun
from gtdiag.collectors.processes import ProcessSampler, is_replaced, read_wchan
from gtdiag.collectors.requests import SeenRequest, requests_in_flight
from gtdiag.collectors.shared_sockets import SharedSocketFinder
from gtdiag.collectors.stacks import StackReader, StackReadError
from gtdiag.collectors.suspended import SuspendedLook, SuspendedReader
from gtdiag.gunicorn.proc_files import ProcessStat, read_clock_offset_s, read_stat
from gtdiag.model.events import (
    CollectionGap,
    Event,
    HostSample,
    ProcessSample,
    RequestSample,
    SocketSample,
    StackSample,
    StartupSample,
    SuspendedSample,
)
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.model.stacks import NamedHost, SuspendedCode, ThreadStack

SAMPLE_RESOLUTION_S = 0.01
HANGS_BEFORE_GIVING_UP = 2
"""A py-spy that hung this often on one worker is not started for it again."""

HANGS_IN_ALL = 4
"""A py-spy that hung this often and never once answered is not started again at all."""


@dataclass(frozen=True, slots=True)
class Look:
    """The events of a look, or of a part of it, what it cost, and a value that changes when the picture does."""

    events: tuple[Event, ...]
    cost_s: float
    picture: Hashable


_POLLS = frozenset({"select", "run_until_complete", "run_forever", "run", "_run_once"})
"""The innermost frames of a thread that waits in an event loop: asyncio's selector, or what calls uvloop's loop."""

PATIENCE_S = 5.0
"""How long py-spy's part waits to hear whether it is needed: reading 20,000 tasks takes part of a second."""


LONGEST_TURN_S = 0.25
"""So long a look waits for the one before it, which may hang in the kernel (a process whose memory is locked)."""


class _Inside:
    """What the part that reads the memory tells the other one: whether it has seen the stacks."""

    def __init__(self) -> None:
        self._told = threading.Event()
        self._shows_stacks = False

    def tell(self, shows_stacks: bool) -> None:
        """Say so, once; what is said later does not count."""
        if not self._told.is_set():
            self._shows_stacks = shows_stacks
            self._told.set()

    def shows_stacks(self, patience_s: float) -> bool:
        """Whether the stacks have been seen; False when it took too long to say."""
        return self._told.wait(patience_s) and self._shows_stacks


def _have_unnamed_peer(events: Sequence[Event]) -> bool:
    """Whether a connection leads to a peer that only the application's own name can tell."""
    return any(
        connection.peer is not None and connection.peer_name is None
        for event in events
        if isinstance(event, SocketSample)
        for connection in event.connections
    )


LookPart = Callable[[], Look]
"""A part of a look, to be run in a thread; it raises nothing."""


class Looker:
    """Takes deep looks, from several threads at once. What cannot be seen is reported once, as a CollectionGap.

    `redact`: the values in a request's query are masked where they are read, so that they get into nothing at all.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        stack_reader: StackReader | None = None,
        suspended_reader: SuspendedReader | None = None,
        redact: bool = True,
    ) -> None:
        self._clock = clock
        self._redact = redact
        self._suspended = suspended_reader or SuspendedReader()
        self._kernel_side = KernelSideReader()
        self._shared_sockets = SharedSocketFinder()
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._reported: set[tuple[str, str]] = set()
        self._hangs: dict[WorkerId | None, int] = {}
        self._without_stacks: set[WorkerId | None] = set()
        self._from_memory: set[WorkerId | None] = set()
        """Workers on which py-spy has failed: their stacks are read from their memory, with the rest of it."""
        self._stacks: StackReader | None = stack_reader
        self._missing: StackReadError | None = None
        self._hangs_in_all = 0
        self._ever_answered = False
        if stack_reader is None:
            try:
                self._stacks = StackReader.found()
            except StackReadError as error:
                self._missing = error

    def parts(self, pid: int, worker: WorkerId | None, master_pid: int) -> tuple[LookPart, ...]:
        """The parts of a look at a worker (or at the master with `worker` None), to be begun in their order.

        py-spy's stacks are a part of their own, so that a py-spy that hangs does not hold back what the rest saw. It is
        not started where the process is at rest and its memory has shown the stacks already.
        """
        inside = _Inside()
        return (
            lambda: self._in_turn(
                lambda: self._timed(lambda: self._look_inside(pid, worker, master_pid, inside), worker)
            ),
            lambda: self._after(inside, pid, worker, master_pid),
        )

    def _in_turn(self, look: Callable[[], Look]) -> Look:
        """Memory is read by one thread at a time: two would only take the interpreter's lock from each other."""
        has_turn = self._turn.acquire(timeout=LONGEST_TURN_S)
        try:
            return look()
        finally:
            if has_turn:
                self._turn.release()

    def _after(self, inside: _Inside, pid: int, worker: WorkerId | None, master_pid: int) -> Look:
        if inside.shows_stacks(PATIENCE_S):
            return self._timed(lambda: self._say_missing(worker, master_pid), worker)
        return self._timed(lambda: self._look_at_stacks(pid, worker, master_pid), worker)

    def _timed(self, look: Callable[[], list[Event]], worker: WorkerId | None) -> Look:
        started_s = self._clock.monotonic()
        # A look is made by pid, and takes time: what has another process's pid by now is not this worker's.
        events = look() if worker is None or not is_replaced(worker) else []
        if worker is not None and is_replaced(worker):
            events = []
        picture = tuple(
            sample.threads if isinstance(sample, StackSample) else sample.suspended
            for sample in events
            if isinstance(sample, (StackSample, SuspendedSample))
        )
        return Look(tuple(events), max(0.0, self._clock.monotonic() - started_s), picture)

    def _look_inside(self, pid: int, worker: WorkerId | None, master_pid: int, inside: _Inside) -> list[Event]:
        process = worker or WorkerId(pid)
        try:
            sockets = self._look_at_sockets(pid, worker, master_pid)
            at_rest = self._look_at_rest(process, worker, master_pid, with_hosts=_have_unnamed_peer(sockets))
            inside.tell(at_rest is not None and any(isinstance(event, StackSample) for event in at_rest))
        finally:
            inside.tell(False)
        if at_rest is None:
            at_rest = self._look_part_by_part(process, worker, master_pid, with_hosts=_have_unnamed_peer(sockets))
        return [*at_rest, *sockets]

    def _look_at_rest(
        self, process: WorkerId, worker: WorkerId | None, master_pid: int, *, with_hosts: bool
    ) -> list[Event] | None:
        """All that the memory shows at once; None where the process is not at rest."""
        at, before_s = self._clock.now(), self._clock.monotonic()
        seen = self._suspended.read_at_rest(process, with_query_values=not self._redact, with_hosts=with_hosts)
        if seen is None:
            return None
        look = SuspendedLook(tuple(seen.suspended.suspended), truncated=seen.suspended.truncated)
        events: list[Event] = [self._suspended_sample(at, before_s, worker, master_pid, look)]
        if worker is not None:
            events.append(self._request_sample(at, before_s, worker, master_pid, seen.requests))
        if seen.threads:
            events.append(self._stack_sample(at, before_s, process.pid, worker, master_pid, seen.threads))
        return events + self._host_samples(at, worker, master_pid, seen.named_hosts)

    def _look_part_by_part(
        self, process: WorkerId, worker: WorkerId | None, master_pid: int, *, with_hosts: bool
    ) -> list[Event]:
        """What the memory of a process that runs shows: each part is read until it holds still."""
        events = self._look_at_suspended(process, worker, master_pid)
        if worker is not None:
            events += self._look_at_requests(worker, master_pid)
        if self._stacks is None or worker in self._from_memory or self._has_given_up():
            events += self._stacks_from_memory(process, worker, master_pid)
        if with_hosts:
            at = self._clock.now()
            events += self._host_samples(at, worker, master_pid, self._suspended.read_named_hosts(process))
        return events

    def glimpse(self, worker: WorkerId, master_pid: int) -> StartupSample | None:
        """What a worker's main thread is in, from its memory alone; None where that cannot be read now."""
        at, before_s = self._clock.now(), self._clock.monotonic()
        main = tuple(thread for thread in self._suspended.read_threads(worker) if thread.main)
        if not main or not main[0].frames:
            return None
        suspended: tuple[SuspendedCode, ...] = ()
        if main[0].frames[-1].function.rpartition(".")[2] in _POLLS:
            suspended = self._suspended.read(worker).suspended or ()
        return StartupSample(
            origin=Origin("stack"),
            at=at,
            resolution_s=SAMPLE_RESOLUTION_S,
            worker=worker,
            master_pid=master_pid,
            threads=main,
            suspended=suspended,
            duration_s=round(self._clock.monotonic() - before_s, 4),
        )

    def forget(self, worker: WorkerId) -> None:
        """Let go of what is kept for a worker that is gone."""
        self._suspended.forget(worker)
        self._hangs.pop(worker, None)
        self._without_stacks.discard(worker)
        self._from_memory.discard(worker)

    def close(self) -> None:
        """Let go of every worker."""
        self._suspended.close()

    def _look_at_stacks(self, pid: int, worker: WorkerId | None, master_pid: int) -> list[Event]:
        if self._stacks is None:
            return self._say_missing(worker, master_pid)
        if worker in self._without_stacks or self._has_given_up():
            return []
        at, before_s = self._clock.now(), self._clock.monotonic()
        try:
            threads = self._stacks.read(pid, master_pid)
        except StackReadError as error:
            if error.gone:
                return []
            if error.hung:
                self._hangs[worker] = self._hangs.get(worker, 0) + 1
                self._hangs_in_all += 1
            if error.lasting or self._hangs.get(worker, 0) >= HANGS_BEFORE_GIVING_UP:
                self._without_stacks.add(worker)
            self._from_memory.add(worker)
            return self._gap("stacks", "stack", error.why, error.hint, worker, master_pid)
        self._ever_answered = True
        return [self._stack_sample(at, before_s, pid, worker, master_pid, threads)]

    def _say_missing(self, worker: WorkerId | None, master_pid: int) -> list[Event]:
        """The gap that a missing py-spy is: the stacks of workers that run are then less certain."""
        if self._stacks is not None:
            return []
        missing = self._missing
        why, hint = (missing.why, missing.hint) if missing else ("py-spy is missing", "")
        return self._gap("stacks", "stack", why, hint, worker, master_pid)

    def _has_given_up(self) -> bool:
        return self._hangs_in_all >= HANGS_IN_ALL and not self._ever_answered

    def _stacks_from_memory(self, process: WorkerId, worker: WorkerId | None, master_pid: int) -> list[Event]:
        """What the interpreter's own memory shows of its threads, where py-spy cannot be had."""
        at, before_s = self._clock.now(), self._clock.monotonic()
        threads = self._suspended.read_threads(process)
        if not threads:
            return []
        try:
            runs = read_stat(process.pid).state == "R"
        except (ProcessLookupError, PermissionError):
            return []
        seen = tuple(replace(thread, active=runs) if thread.main else thread for thread in threads)
        return [self._stack_sample(at, before_s, process.pid, worker, master_pid, seen)]

    def _stack_sample(
        self,
        at: datetime,
        before_s: float,
        pid: int,
        worker: WorkerId | None,
        master_pid: int,
        threads: tuple[ThreadStack, ...],
    ) -> StackSample:
        return StackSample(
            origin=Origin("stack"),
            at=at,
            resolution_s=SAMPLE_RESOLUTION_S,
            worker=worker,
            master_pid=master_pid,
            threads=threads,
            duration_s=round(self._clock.monotonic() - before_s, 4),
            wchan=read_wchan(pid),
        )

    def _look_at_suspended(self, process: WorkerId, worker: WorkerId | None, master_pid: int) -> list[Event]:
        at, before_s = self._clock.now(), self._clock.monotonic()
        look = self._suspended.read(process)
        if look.suspended is None:
            if not look.gone:
                return self._gap("suspended_code", "suspended", look.why, look.hint, worker, master_pid)
            return []
        return [self._suspended_sample(at, before_s, worker, master_pid, look)]

    def _suspended_sample(
        self, at: datetime, before_s: float, worker: WorkerId | None, master_pid: int, look: SuspendedLook
    ) -> SuspendedSample:
        return SuspendedSample(
            origin=Origin("suspended"),
            at=at,
            resolution_s=SAMPLE_RESOLUTION_S,
            worker=worker,
            master_pid=master_pid,
            suspended=look.suspended or (),
            duration_s=round(self._clock.monotonic() - before_s, 4),
            truncated=look.truncated,
            problems=look.problems,
        )

    def _look_at_requests(self, worker: WorkerId, master_pid: int) -> list[Event]:
        at, now_s = self._clock.now(), self._clock.monotonic()
        seen = self._suspended.read_requests(worker, with_query_values=not self._redact)
        return [] if seen is None else [self._request_sample(at, now_s, worker, master_pid, seen)]

    def _request_sample(
        self, at: datetime, now_s: float, worker: WorkerId, master_pid: int, seen: Sequence[SeenRequest]
    ) -> RequestSample:
        return RequestSample(
            origin=Origin("request"),
            at=at,
            resolution_s=SAMPLE_RESOLUTION_S,
            worker=worker,
            master_pid=master_pid,
            requests=requests_in_flight(seen, at, now_s + (read_clock_offset_s(worker.pid) or 0.0)),
        )

    def _host_samples(
        self, at: datetime, worker: WorkerId | None, master_pid: int, hosts: tuple[NamedHost, ...]
    ) -> list[Event]:
        if not hosts:
            return []
        return [
            HostSample(
                origin=Origin("suspended"),
                at=at,
                resolution_s=SAMPLE_RESOLUTION_S,
                worker=worker,
                master_pid=master_pid,
                hosts=hosts,
            )
        ]

    def _look_at_sockets(self, pid: int, worker: WorkerId | None, master_pid: int) -> list[Event]:
        at = self._clock.now()
        try:
            seen = self._kernel_side.read(pid)
        except ProcessLookupError:
            return []
        except PermissionError:
            return self._gap(
                "sockets",
                "socket",
                "the descriptors of the process may not be read by this user",
                say_rerun(master_pid),
                worker,
                master_pid,
            )
        connections = seen.connections
        if worker is not None:
            connections = self._shared_sockets.find(pid, master_pid, connections)
        sample = SocketSample(
            origin=Origin("socket"),
            at=at,
            resolution_s=SAMPLE_RESOLUTION_S,
            worker=worker,
            master_pid=master_pid,
            connections=seen.connections
            if worker is None
            else self._shared_sockets.find(pid, master_pid, seen.connections),
            waits=seen.waits,
        )
        if seen.without_traffic is None:
            return [sample]
        reason = seen.without_traffic
        return [*self._gap("socket_traffic", "socket", reason.why, reason.hint, worker, master_pid), sample]

    def _gap(
        self, what: str, source: str, why: str, hint: str, worker: WorkerId | None, master_pid: int
    ) -> list[Event]:
        # The same reason for another worker is no news: pids in it would differ, so they are taken out.
        key = (what, "".join(letter for letter in why if not letter.isdigit()))
        with self._lock:
            if key in self._reported:
                return []
            self._reported.add(key)
        return [
            CollectionGap(
                origin=Origin(source),
                at=self._clock.now(),
                resolution_s=SAMPLE_RESOLUTION_S,
                worker=worker,
                master_pid=master_pid,
                what=what,
                why=why,
                hint=hint,
            )
        ]


def sample_process(
    sampler: ProcessSampler,
    clock: Clock,
    pid: int,
    worker: WorkerId | None,
    master_pid: int,
    *,
    with_wchan: bool = False,
    stat: ProcessStat | None = None,
    brief: bool = False,
) -> ProcessSample | None:
    """Read memory and CPU of a process into an event; None when it is gone or a zombie. See ProcessSampler.read."""
    try:
        reading = sampler.read(pid, stat, brief=brief)
    except (ProcessLookupError, PermissionError):
        return None
    if reading is None or (worker is not None and not brief and is_replaced(worker)):
        return None
    return ProcessSample(
        origin=Origin("process"),
        at=clock.now(),
        resolution_s=SAMPLE_RESOLUTION_S,
        worker=worker,
        master_pid=master_pid,
        rss_bytes=reading.rss_bytes,
        peak_rss_bytes=reading.peak_rss_bytes,
        cpu_percent=reading.cpu_percent,
        state=reading.state,
        threads=reading.threads,
        wchan=read_wchan(pid) if with_wchan else None,
        main_thread_ran_s=reading.main_thread_ran_s,
        main_thread_waited_s=reading.main_thread_waited_s,
        pss_bytes=reading.pss_bytes,
        uss_bytes=reading.uss_bytes,
    )
