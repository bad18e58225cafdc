"""One look at one worker (its threads, its suspended code, its sockets) to the call it is blocked in, if any.

The order of evidence: what the main thread runs; if that is an event loop's own waiting, the suspended code that
matters; if that waits for a thread, the pool thread. Then the catalog gives the category, kernel and sockets the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gtdiag.analysis.chain_parts import (
    IDLE_RANK,
    event_loop_start,
    frames_below_app,
    innermost_app_call,
    innermost_coroutine,
    is_inside_event_loop,
    pool_work,
    rank_of,
    waits_in_event_loop,
)
from gtdiag.analysis.kernel_side import (
    JoinedWait,
    KernelEvidence,
    asks_name_server,
    find_wait,
    join_wait,
    kind_of_wait,
    name_server_wait_of_a_helper,
)
from gtdiag.analysis.named_hosts import name_peer
from gtdiag.analysis.ownership import CodeOwnership, OwnedFrame
from gtdiag.analysis.peer_condition import Condition
from gtdiag.model.report import Category, Confidence, How, Owner, StackFrame, WaitingOn
from gtdiag.model.stacks import Connection, Frame, KernelWait, NamedHost, SuspendedCode, ThreadStack
from gtdiag.rules.catalog import Catalog, Level, Rule, read_catalog
from gtdiag.rules.categories import REMOTE_CATEGORIES, WAITING_CATEGORIES
from gtdiag.rules.frameworks import waits_for_own_pool
from gtdiag.rules.services import Service, match_file, match_peer

_IMPORT_MODULES = ("importlib", "zipimport")
_IMPORTING = ("_find_and_load", "_find_and_load_unlocked", "import_module", "_gcd_import", "_load_unlocked")
"""What an import goes through; a library that only asks where a module lies (importlib.util.find_spec) does not."""
CATEGORY_BY_KERNEL_WAIT = {
    "sleep": Category.SLEEP,
    "lock": Category.LOCK,
    "child": Category.SUBPROCESS,
    "file_lock": Category.LOCK,
    "disk": Category.FILESYSTEM,
    "socket": Category.NETWORK,
}
_KERNEL_KIND = {"poll": "socket", "pipe": "unknown"}
# Innermost source text of a traceback to the call it names, where a C function leaves no frame of its own.
_CATEGORY_BY_SOURCE = (
    ("time.sleep(", Category.SLEEP, "time", "sleep", "sleep"),
    ("sleep(", Category.SLEEP, "time", "sleep", "sleep"),
    (".acquire(", Category.LOCK, "threading", "acquire", "lock"),
    ("fcntl.", Category.LOCK, "fcntl", "flock", "file_lock"),
    ("os.waitpid(", Category.SUBPROCESS, "os", "waitpid", "child"),
    (".cursor(", Category.DATABASE, None, None, "socket"),
)
_FRONT_ENDS_OF_GREENLETS_TOO = ("gevent.pool",)
"""`apply` and the like are the same for pools of threads and of greenlets, and compiled below."""

_MOST_TRACEBACKS = 1_024
"""Different ones whose conclusion is remembered."""


@dataclass(frozen=True, slots=True)
class Look:
    """The call a worker was blocked in at one moment, and how that is known.

    `confidence` is that of this one look; several looks that agree raise it. `in_event_loop`: a synchronous call that
    the event loop's thread itself runs, so that nothing else on the loop goes on; `coroutine`: the application's
    innermost `async def` on the way to it.
    """

    category: Category
    call: str | None
    file: str | None
    line: int | None
    path: tuple[str, ...]
    library: str | None
    library_call: str | None
    waiting_on: WaitingOn | None
    how: How
    stack: tuple[StackFrame, ...]
    rule: str | None
    confidence: Confidence
    in_event_loop: bool = False
    coroutine: str | None = None
    kernel_agrees: bool | None = None
    kernel_note: str | None = None


@dataclass(frozen=True, slots=True)
class LookEvidence:
    """What was seen of one worker at one moment. `stale`: its heartbeat is older than an idle worker's ever is."""

    threads: tuple[ThreadStack, ...] = ()
    suspended: tuple[SuspendedCode, ...] = ()
    connections: tuple[Connection, ...] = ()
    kernel_function: str | None = None
    in_startup: bool = False
    stale: bool = False
    waits: tuple[KernelWait, ...] = ()
    received_before: Mapping[int, int] = field(default_factory=dict)
    cpu_percent: float | None = None
    hosts: tuple[NamedHost, ...] = ()

    @property
    def kernel(self) -> KernelEvidence:
        """The kernel's part of it."""
        return KernelEvidence(self.waits, self.connections, self.received_before)


@dataclass(frozen=True, slots=True)
class _Classified:
    category: Category
    library: str | None
    library_call: str | None
    waits: str
    rule: str | None
    confidence: Confidence


class LookReader:
    """Turns evidence into looks; knows whose code is whose and which library is which category."""

    def __init__(self, ownership: CodeOwnership, catalog: Catalog | None = None) -> None:
        self._ownership = ownership
        self._tracebacks: dict[tuple[tuple[OwnedFrame, ...], bool], Look | None] = {}
        """A server that is in trouble logs the same traceback again and again."""
        self._catalog = catalog or read_catalog()

    def read_look(self, evidence: LookEvidence) -> Look | None:
        """The call the worker is blocked in; None when it is idle, or nothing was seen of it."""
        main = next((thread for thread in evidence.threads if thread.main), None)
        if main is None:
            return self._read_suspended(evidence, ()) if evidence.suspended else None
        frames = self._ownership.own_frames(main.frames)
        if evidence.stale and (holder := self._read_interpreter_holder(evidence, main, frames)) is not None:
            return holder
        if waits_in_event_loop(frames):
            # An application that starts a loop itself (asyncio.run at import) has frames outside it: they come first.
            outside = frames[: event_loop_start(frames)] if any(f.owner is Owner.APP for f in frames) else ()
            return self._read_suspended(evidence, outside)
        return self._conclude(
            frames,
            evidence,
            how=How.THREAD,
            wait=find_wait(evidence.waits, main.native_thread_id),
            active=_is_running(main, evidence.waits),
            in_event_loop=is_inside_event_loop(frames),
            sure=Confidence.HIGH,
        )

    def read_traceback(self, frames: Sequence[Frame], no_uri_read: bool) -> Look | None:
        """The call that an interrupted worker's own traceback shows."""
        owned = self._ownership.own_frames(frames)
        known = (owned, no_uri_read)
        if known not in self._tracebacks:
            if len(self._tracebacks) >= _MOST_TRACEBACKS:
                self._tracebacks.clear()
            self._tracebacks[known] = self._read_interrupted(owned, no_uri_read)
        return self._tracebacks[known]

    def _read_interrupted(self, owned: tuple[OwnedFrame, ...], no_uri_read: bool) -> Look | None:
        look = self._conclude(
            owned, LookEvidence(), how=How.LOG_TRACEBACK, active=False, in_event_loop=False, sure=Confidence.HIGH
        )
        if look is None and no_uri_read:
            return Look(
                category=Category.NETWORK,
                call=None,
                file=None,
                line=None,
                path=(),
                library="gunicorn",
                library_call=owned[-1].frame.function if owned else None,
                waiting_on=WaitingOn("socket"),
                how=How.LOG_TRACEBACK,
                stack=_stack_of(owned),
                rule=None,
                confidence=Confidence.HIGH,
            )
        return look

    def _read_suspended(self, evidence: LookEvidence, outside: tuple[OwnedFrame, ...]) -> Look | None:
        chains = [(code, self._ownership.own_frames(code.frames)) for code in evidence.suspended if not code.running]
        ranked = sorted(
            (
                (rank_of(code, frames, in_startup=evidence.in_startup, in_own_loop=bool(outside)), code, frames)
                for code, frames in chains
                if frames
            ),
            key=lambda item: (item[0], len(item[1].name), item[1].name),  # the oldest first: Task-3 before Task-10
        )
        if not ranked or ranked[0][0] >= IDLE_RANK:
            return None
        best_rank, code, frames = ranked[0]
        rivals = [frames for rank, _, frames in ranked if rank == best_rank]
        same_call = len({innermost_app_call(frames) for frames in rivals}) == 1
        sure = Confidence.HIGH if same_call and code.complete else Confidence.MEDIUM
        how = How.GREENLET if code.kind == "greenlet" else How.ASYNCIO_TASK
        if not frames_below_app(frames):
            threaded = self._read_pool_thread(evidence, outside + frames)
            if threaded is not None:
                return threaded
        return self._conclude(
            outside + frames,
            evidence,
            how=how,
            wait=_wait_of_chain(evidence, code.frames),
            active=False,
            in_event_loop=False,
            sure=sure,
        )

    def _read_interpreter_holder(
        self, evidence: LookEvidence, main: ThreadStack, frames: tuple[OwnedFrame, ...]
    ) -> Look | None:
        """The thread that computes while the main thread, in its own loop, waits for the interpreter's lock.

        A loop that is idle waits in poll for the kernel. One that stands in the poll call for Python and in a futex, or
        on a CPU, for the kernel, has come back from it and does not get the lock: another thread's C code keeps it.
        """
        wait = find_wait(evidence.waits, main.native_thread_id)
        at_rest = waits_in_event_loop(frames) or not any(f.owner is Owner.APP for f in frames)
        if wait is None or not at_rest or not (wait.state == "R" or kind_of_wait(wait) == "lock"):
            return None
        computing = [thread for thread in evidence.threads if not thread.main and thread.active]
        owned = [(thread, self._ownership.own_frames(thread.frames)) for thread in computing]
        holders = [(thread, own) for thread, own in owned if any(f.owner is Owner.APP for f in own)]
        if len(holders) != 1:
            return None
        thread, own = holders[0]
        return self._conclude(
            own,
            evidence,
            how=How.THREAD,
            wait=find_wait(evidence.waits, thread.native_thread_id),
            active=True,
            in_event_loop=False,
            sure=Confidence.HIGH if thread.holds_gil else Confidence.MEDIUM,
        )

    def _read_pool_thread(self, evidence: LookEvidence, waiting: tuple[OwnedFrame, ...]) -> Look | None:
        """The pool thread that runs the call an awaiting function handed over (run_in_executor, to_thread)."""
        busy = []
        for thread in evidence.threads:
            frames = self._ownership.own_frames(thread.frames)
            work = pool_work(frames)
            if not thread.main and work:
                busy.append((thread, work))
        if not busy:
            return None
        thread, work = busy[0]
        perhaps_greenlet = any(f.module in _FRONT_ENDS_OF_GREENLETS_TOO for f in waiting)
        return self._conclude(
            waiting + work,
            evidence,
            how=How.EXECUTOR,
            wait=find_wait(evidence.waits, thread.native_thread_id) if thread.native_thread_id else None,
            active=_is_running(thread, evidence.waits),
            in_event_loop=False,
            sure=Confidence.HIGH if len(busy) == 1 and not perhaps_greenlet else Confidence.MEDIUM,
        )

    def _conclude(
        self,
        frames: tuple[OwnedFrame, ...],
        evidence: LookEvidence,
        *,
        how: How,
        wait: KernelWait | None = None,
        active: bool,
        in_event_loop: bool,
        sure: Confidence,
    ) -> Look | None:
        app_index = max((i for i, f in enumerate(frames) if f.owner is Owner.APP), default=None)
        below = frames[app_index + 1 :] if app_index is not None else frames
        classified = self._classify(frames, app_index, below, evidence, wait, how, active)
        if classified is None:
            return None
        classified, wait = _unless_it_resolves_a_name(classified, wait, evidence, how)
        joined = _join(classified, below, evidence, wait)
        confidence = _lower(sure, classified.confidence)
        if not joined.sure:
            confidence = _lower(confidence, Confidence.MEDIUM)
        app = frames[app_index].frame if app_index is not None else None
        return Look(
            category=classified.category,
            call=app.function if app else None,
            file=app.file if app else None,
            line=app.line if app else None,
            path=tuple(f.frame.function for f in frames if f.owner is Owner.APP),
            library=classified.library,
            library_call=classified.library_call,
            waiting_on=name_peer(joined.waiting_on, (f.frame for f in frames[app_index or 0 :]), evidence.hosts),
            how=how,
            stack=_stack_of(frames),
            rule=classified.rule,
            confidence=confidence,
            in_event_loop=in_event_loop and classified.category in WAITING_CATEGORIES,
            coroutine=innermost_coroutine(frames, evidence.suspended) if in_event_loop else None,
            kernel_agrees=joined.agrees,
            kernel_note=joined.note,
        )

    def _classify(
        self,
        frames: tuple[OwnedFrame, ...],
        app_index: int | None,
        below: tuple[OwnedFrame, ...],
        evidence: LookEvidence,
        wait: KernelWait | None,
        how: How,
        active: bool,
    ) -> _Classified | None:
        importing = self._classify_import(frames, app_index, below, active)
        if importing is not None:
            return importing
        by_rule = self._classify_by_rule(below, named_by=below)
        if by_rule is not None:
            return by_rule
        if app_index is None:
            return None  # nothing but gunicorn and frameworks: a worker that is idle, or busy with itself
        by_source = _classify_by_source(frames[-1], below)
        if by_source is not None:
            return by_source
        return _classify_by_kernel(evidence, wait, below, how, active)

    def _classify_by_rule(self, below: tuple[OwnedFrame, ...], named_by: tuple[OwnedFrame, ...]) -> _Classified | None:
        """The first library rule from the application inwards; overrides win anywhere, primitives only if alone."""
        matched = [(f, self._catalog.match_frame(f.module, f.frame.function)) for f in below if f.module]
        found = [(f, rule) for f, rule in matched if rule is not None]
        for level in (Level.OVERRIDE, Level.LIBRARY):
            for frame, rule in found:
                if rule.level is level:
                    return _classified_by(rule, frame, named_by)
        # Of the standard library's own calls the innermost says best what is waited for.
        for frame, rule in reversed(found):
            return _classified_by(rule, frame, named_by)
        return None

    def _classify_import(
        self, frames: tuple[OwnedFrame, ...], app_index: int | None, below: tuple[OwnedFrame, ...], active: bool
    ) -> _Classified | None:
        """An import in progress: below the application's frame, or the application's own slow module."""
        import_at = max((i for i, f in enumerate(below) if f.package in _IMPORT_MODULES), default=None)
        importing = any(f.package in _IMPORT_MODULES and f.frame.function in _IMPORTING for f in below)
        if import_at is not None and importing and app_index is not None:
            # A library that waits for something while it is imported (a download at import) is that, not an import.
            inner = tuple(f for f in below[import_at + 1 :] if not f.is_module_body)
            waiting = self._classify_by_rule(inner, named_by=inner)
            if (
                waiting is not None
                and waiting.category in WAITING_CATEGORIES
                and not active
                and _reaches_primitive(inner, self._catalog)
            ):
                return waiting
            imported = next((f.package for f in reversed(below) if f.is_module_body and f.package), None)
            return _Classified(
                Category.IMPORT, imported or "importlib", "import", "cpu", "import.library", Confidence.HIGH
            )
        if app_index is None or below or not frames[app_index].is_module_body:
            return None
        above = frames[:app_index]
        last_app = max((i for i, f in enumerate(above) if f.owner is Owner.APP), default=None)
        if last_app is not None and active and any(f.package in _IMPORT_MODULES for f in above[last_app:]):
            return _Classified(Category.IMPORT, None, None, "cpu", "import.application", Confidence.HIGH)
        return None


def _reaches_primitive(frames: tuple[OwnedFrame, ...], catalog: Catalog) -> bool:
    rules = (catalog.match_frame(f.module, f.frame.function) for f in frames if f.owner is Owner.STDLIB)
    return any(rule is not None and rule.level is not Level.LIBRARY for rule in rules)


def _classified_by(rule: Rule, frame: OwnedFrame, below: tuple[OwnedFrame, ...]) -> _Classified:
    """What the application called: the outermost library frame below it, unless that only passes the call on."""
    entry = next((f for f in below if f.package == frame.package), frame)
    if frame.owner is Owner.GUNICORN:
        entry = frame  # every stack begins in gunicorn; what says something is the part of it that waits
    return _Classified(rule.category, rule.library, entry.frame.function, rule.waits, rule.id, Confidence.HIGH)


def _classify_by_source(innermost: OwnedFrame, below: tuple[OwnedFrame, ...]) -> _Classified | None:
    source = innermost.frame.source
    if below or not source:
        return None
    for text, category, library, call, waits in _CATEGORY_BY_SOURCE:
        if text in source:
            return _Classified(category, library, call, waits, f"{category.value}.source", Confidence.HIGH)
    return None


def _is_running(thread: ThreadStack, waits: Sequence[KernelWait]) -> bool:
    """Whether the thread runs, rather than waits.

    py-spy asks the kernel where it knows the thread's id. Up to CPython 3.10 the interpreter does not keep it, and in a
    process of several threads py-spy then goes by the innermost Python frame: whatever waits in C code without a frame
    of its own (time.sleep) would seem to run. Of the main thread the kernel's side is known all the same.
    """
    if thread.native_thread_id is not None or not thread.active or thread.holds_gil or not waits:
        return thread.active
    return thread.main and waits[0].state == "R"


def _classify_by_kernel(
    evidence: LookEvidence, wait: KernelWait | None, below: tuple[OwnedFrame, ...], how: How, active: bool
) -> _Classified:
    """No library has a rule: what the thread does for the kernel, and whom its connection leads to."""
    entry = next((f for f in below if f.package), None)
    library = entry.package if entry else None
    library_call = entry.frame.function if entry else None
    if how is How.LOG_TRACEBACK:
        # The call is certain, the worker was interrupted in it; what kind of call it is, the frames do not tell.
        return _Classified(Category.UNKNOWN, library, library_call, "unknown", None, Confidence.MEDIUM)
    if active:
        return _Classified(Category.CPU, library, library_call, "cpu", "cpu.running", Confidence.HIGH)
    own_thread = how in (How.THREAD, How.EXECUTOR)
    kind = kind_of_wait(wait, evidence.kernel_function if how is How.THREAD else None) if own_thread else None
    if kind == "sleep" and wait is not None and wait.sleeps_for:
        # time.sleep() sleeps until a moment (CPython 3.11 and later) or in select (before). A C library that sleeps for
        # a time waits for something between two tries (SQLite for a lock), and does not say for what.
        return _Classified(Category.UNKNOWN, library, library_call, "sleep", None, Confidence.LOW)
    named = next((d.name for d in wait.descriptors if d.kind == "file"), None) if wait is not None else None
    if kind in ("disk", "pipe") and (reads := match_file(named)) is not None:
        return _Classified(reads, library, library_call, "disk", "kernel.file", Confidence.MEDIUM)
    if kind == "pipe" and named is not None:
        return _Classified(Category.FILESYSTEM, library, library_call, "disk", "kernel.disk", Confidence.MEDIUM)
    if kind in ("sleep", "child", "file_lock", "disk"):
        return _Classified(
            CATEGORY_BY_KERNEL_WAIT[kind],
            library,
            library_call,
            kind,
            f"kernel.{kind}",
            # A thread asleep, or waiting for its child or a file lock, is just that; "disk" may be a pipe or a page,
            # and a sleep in select that of a C library.
            Confidence.MEDIUM if kind == "disk" or _sleeps_in_select(kind, wait) else Confidence.HIGH,
        )
    if kind == "pipe" and wait is not None and any(d.process for d in wait.descriptors):
        return _Classified(Category.SUBPROCESS, library, library_call, "child", "kernel.pipe", Confidence.MEDIUM)
    if kind in ("socket", "poll") or not own_thread:
        joined = join_wait("socket", Category.UNKNOWN, wait if own_thread else None, evidence.kernel)
        service = _service_of(joined.waiting_on) if joined.sure and joined.agrees is not False else None
        if service is not None:
            return _Classified(
                service.category, library, library_call, "socket", f"port.{service.name}", Confidence.MEDIUM
            )
        if kind == "socket" or (joined.agrees and joined.waiting_on.kind == "socket"):
            # A peer, and nothing that says what it is: a database or a cache on a port of its own, as likely as not.
            return _Classified(Category.NETWORK, library, library_call, "socket", "kernel.socket", Confidence.LOW)
    if kind == "lock":
        # A futex is a lock, and also how C libraries with threads of their own wait: a lead, not a proof. In a process
        # of one thread there is nobody else to wait for.
        sure = Confidence.MEDIUM if len(evidence.waits) == 1 else Confidence.LOW
        return _Classified(Category.LOCK, library, library_call, "lock", "kernel.lock", sure)
    return _Classified(Category.UNKNOWN, library, library_call, "unknown", None, Confidence.LOW)


def _sleeps_in_select(kind: str, wait: KernelWait | None) -> bool:
    return kind == "sleep" and wait is not None and wait.system_call in ("select", "pselect6")


def _join(
    classified: _Classified, below: tuple[OwnedFrame, ...], evidence: LookEvidence, wait: KernelWait | None
) -> JoinedWait:
    """What is waited for, by the stack and by the kernel."""
    kind = _KERNEL_KIND.get(classified.waits, classified.waits)
    if kind == "socket" and waits_for_own_pool([(f.module, f.frame.function) for f in below]):
        joined = join_wait("lock", classified.category, wait, KernelEvidence(evidence.waits))
        return replace(joined, waiting_on=replace(joined.waiting_on, condition=Condition.OWN_POOL.value))
    joined = join_wait(kind, classified.category, wait, evidence.kernel)
    service = _service_of(joined.waiting_on) if joined.agrees else None
    if service is not None and service.category not in (classified.category, Category.HTTP, Category.NETWORK):
        # Web ports carry everything; another service's own port is a second witness that says something else.
        note = f"{joined.note}, the port of {service.name}" if joined.note else None
        return replace(joined, agrees=False, note=note)
    return joined


def _service_of(waiting: WaitingOn) -> Service | None:
    return match_peer(waiting.peer, waiting.process_name)


def _unless_it_resolves_a_name(
    classified: _Classified, wait: KernelWait | None, evidence: LookEvidence, how: How
) -> tuple[_Classified, KernelWait | None]:
    """A call that waits for a peer and, for the kernel, asks a name server: C code resolves names without a frame."""
    if classified.category not in REMOTE_CATEGORIES or classified.category is Category.DNS:
        return classified, wait
    if how in (How.THREAD, How.EXECUTOR) and asks_name_server(wait, evidence.kernel):
        return replace(classified, category=Category.DNS, waits="dns", rule="kernel.dns"), wait
    helper = name_server_wait_of_a_helper(wait, evidence.kernel) if how is How.ASYNCIO_TASK else None
    if helper is None:
        return classified, wait
    sure = _lower(classified.confidence, Confidence.MEDIUM)
    return replace(classified, category=Category.DNS, waits="dns", rule="kernel.dns", confidence=sure), helper


def _wait_of_chain(evidence: LookEvidence, chain: Sequence[Frame]) -> KernelWait | None:
    """The kernel's side of an await chain: of the pool thread that it leads to, else of the loop's own thread."""
    innermost = [(frame.function.rpartition(".")[2], frame.file) for frame in chain[-2:]]
    for thread in evidence.threads:
        frames = [(frame.function.rpartition(".")[2], frame.file) for frame in thread.frames[-2:]]
        if not thread.main and thread.native_thread_id and frames == innermost:
            return find_wait(evidence.waits, thread.native_thread_id)
    return find_wait(evidence.waits, None)


def _stack_of(frames: Sequence[OwnedFrame]) -> tuple[StackFrame, ...]:
    return tuple(StackFrame(f.frame.function, f.frame.file, f.frame.line, f.owner) for f in frames)


def _lower(one: Confidence, other: Confidence) -> Confidence:
    order = (Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH)
    return order[min(order.index(one), order.index(other))]
