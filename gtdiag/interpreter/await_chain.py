"""Follows what a coroutine awaits, from its outermost frame to the future at the end, through tasks and gathers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.frames import FrameReader, GeneratorState, RawFrame, Witnesses
from gtdiag.interpreter.objects import OB_TYPE, ObjectReader, TypeInfo
from gtdiag.interpreter.pool_threads import PoolThreadReader
from gtdiag.interpreter.threads import ThreadReader
from gtdiag.model.stacks import Frame

_MAX_STEPS = 4000
_MAX_FRAMES = 1000
_WRAPPED_AT = 16
"""The first field behind the object header: what each of `_WRAPPERS` wraps."""
_PENDING = 0

_GENERATORS = ("coroutine", "generator", "async_generator")
_WRAPPERS = (
    "coroutine_wrapper",
    "async_generator_asend",
    "async_generator_athrow",
    "anext_awaitable",
    "FutureIter",
    "_asyncio.FutureIter",
)
_CYTHON = "_cython_"
"""Types of compiled coroutines are named after Cython's version: _cython_3_0_11.coroutine."""
_C_FUTURE, _C_TASK = "_asyncio.Future", "_asyncio.Task"
_GATHERING = "_GatheringFuture"

# Where standard library code waits for a bare future that stands for other tasks: the frame's function (end of its
# qualified name), the local variable and, where needed, its attribute that hold those tasks.
# asyncio/tasks.py and asyncio/taskgroups.py of 3.8 to 3.15; anyio's TaskGroup has the same attribute.
_WAITS_FOR_OTHERS: tuple[tuple[str, str, str | None], ...] = (
    ("wait_for", "fut", None),
    ("_cancel_and_wait", "fut", None),
    ("_wait", "fs", None),
    ("TaskGroup.__aexit__", "self", "_tasks"),
    ("TaskGroup._aexit", "self", "_tasks"),
)
_WAITING_FILES = ("asyncio/tasks.py", "asyncio/taskgroups.py", "anyio/_backends/_asyncio.py")
_FUTURES_FILE = "asyncio/futures.py"
_SHIELD_CALLBACK = "shield.<locals>._outer_done_callback"
_CHAINED_CALLBACK = "_chain_future.<locals>._call_check_cancel"
"""Its `source` is the concurrent.futures.Future whose result the future waits for (asyncio/futures.py)."""
_MAX_CALLBACKS = 16


@dataclass(slots=True)
class AwaitChain:
    """A chain while it is followed, outermost frame first; see `SuspendedCode` for the meaning of each field."""

    frames: list[Frame] = field(default_factory=list)
    raw_frames: list[RawFrame] = field(default_factory=list)
    """Those of `frames` that lie in memory as frames, in the same order."""
    awaits: str | None = None
    through: list[str] = field(default_factory=list)
    running: bool = False
    complete: bool = True
    witnesses: Witnesses = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    innermost: tuple[RawFrame, Frame] | None = None
    """The last frame of Python code that is not the future's own `__await__`."""
    driver: int = 0
    """The task whose step drives the frames read last: its waiter is what a bare yield waits for."""


class AwaitChainReader:
    """Follows await chains of one interpreter."""

    def __init__(self, objects: ObjectReader, frames: FrameReader, threads: ThreadReader) -> None:
        self._objects = objects
        self._memory = objects.memory
        self._layout = objects.layout.task
        self._frames = frames
        self._threads = threads
        self._pools = PoolThreadReader(objects, frames, threads)

    # Tasks and futures, in C and in Python

    def is_task(self, info: TypeInfo) -> bool:
        """Whether a type is a task: the C one, the pure Python one, or a subclass."""
        return _C_TASK in info.names or ("Task" in info.names and not self._is_c_future(info))

    def _is_c_future(self, info: TypeInfo) -> bool:
        return _C_FUTURE in info.names or _C_TASK in info.names

    def _is_future(self, info: TypeInfo) -> bool:
        return self._is_c_future(info) or self.is_task(info) or "Future" in info.names

    def _field(self, address: int, info: TypeInfo, offset: int, attribute: str) -> int:
        """A field of a future or task, 0 when it is NULL, None or absent."""
        if self._is_c_future(info):
            value = self._memory.u64(address + offset)
        else:
            value = self._objects.attribute(address, attribute) or 0
        return 0 if not value or self._objects.type_of(value).name == "NoneType" else value

    def is_done(self, address: int, info: TypeInfo) -> bool:
        """Whether a future or task has its result (or exception, or was cancelled)."""
        if self._is_c_future(info):
            state = self._memory.i32(address + self._layout.future_state)
            if not 0 <= state <= 2:
                raise InconsistentReadError(f"no future at {address:#x}")
            return state != _PENDING
        value = self._objects.attribute(address, "_state")
        return value is not None and self._objects.simple_value(value) not in (None, "PENDING")

    def task_name(self, address: int) -> str:
        """A task's name; 3.12 and later keep the number of an unnamed one only."""
        info = self._objects.type_of(address)
        value = self._field(address, info, self._layout.name, "_name")
        if not value:
            raise InconsistentReadError(f"a task without a name at {address:#x}")
        simple = self._objects.simple_value(value)
        return f"Task-{simple}" if isinstance(simple, int) else str(simple)

    def _waiter(self, address: int) -> int:
        return self._field(address, self._objects.type_of(address), self._layout.fut_waiter, "_fut_waiter")

    def _task_coroutine(self, chain: AwaitChain, address: int, info: TypeInfo) -> int:
        if self._is_c_future(info):
            # From its type to its last field of interest: a task that has just ended and made room for another object
            # would show a changed type, state or name.
            layout = self._layout
            size = max(layout.coro, layout.fut_waiter, layout.name) + 8 - OB_TYPE
            chain.witnesses.append((address + OB_TYPE, self._memory.read(address + OB_TYPE, size)))
        chain.driver = address
        return self._field(address, info, self._layout.coro, "_coro")

    def coroutine_of(self, address: int) -> int:
        """What a task runs (0 where it has none any more)."""
        return self._field(address, self._objects.type_of(address), self._layout.coro, "_coro")

    # What `QuickChainReader` asks

    def usual_kind(self, info: TypeInfo) -> str | None:
        """ "generator", "wrapper", "future" or "task" for the types that need no more than their fields."""
        if info.name in _GENERATORS:
            return "generator"
        if info.name in _WRAPPERS:
            return "wrapper"
        if info.name == _C_FUTURE:
            return "future"
        return "task" if _C_TASK in info.names else None

    def may_wait_for_others(self, frame: Frame) -> bool:
        """Whether a frame is of standard library code that waits for other tasks through a bare future."""
        return frame.file.replace("\\", "/").endswith(_WAITING_FILES) and any(
            frame.function in (function, function.rpartition(".")[2]) for function, _, _ in _WAITS_FOR_OTHERS
        )

    def futures_of_pools(self) -> frozenset[int]:
        """The futures of calls that thread pools run now; the memory that was read so far is forgotten by it."""
        return frozenset(future for future, (frames, _) in self._pools.calls().items() if frames)

    # The chain

    def read_task(self, address: int) -> AwaitChain:
        """The chain of a task; raises `InconsistentReadError` when it changed meanwhile."""
        chain = AwaitChain()
        chain.seen.add(address)
        info = self._objects.type_of(address)
        if not self.is_task(info):
            raise InconsistentReadError(f"no task at {address:#x}")
        self._follow(chain, self._task_coroutine(chain, address, info))
        self.confirm(chain)
        return chain

    def confirm(self, chain: AwaitChain) -> None:
        """Read every link again; raises `InconsistentReadError` when the chain has changed since it was read."""
        if self._memory.at_rest:
            return
        # Forth and back: addresses are reused at once in a busy process, so a chain may look unchanged link by link
        # although no two of its links were there at the same time.
        for address, expected in (*chain.witnesses, *reversed(chain.witnesses)):
            if self._memory.read_fresh(address, len(expected)) != expected:
                raise InconsistentReadError("the chain moved on while it was read")

    def _follow(self, chain: AwaitChain, start: int) -> None:
        current: int | None = start
        for _ in range(_MAX_STEPS):
            if not current:
                return
            if current in chain.seen:
                chain.complete = False  # a cycle: each waits for the other
                chain.through.append("(a cycle)")
                return
            chain.seen.add(current)
            current = self._step(chain, current)
            if len(chain.frames) >= _MAX_FRAMES:
                break
        if current:
            chain.complete = False

    def _step(self, chain: AwaitChain, address: int) -> int | None:
        info = self._objects.type_of(address)
        if info.name in _GENERATORS:
            return self._step_into_generator(chain, address)
        if info.name in _WRAPPERS:
            return self._step_into_wrapper(chain, address, info)
        if self._is_future(info):
            return self._step_into_future(chain, address, info)
        if info.name.startswith(_CYTHON):
            if info.name.endswith(".coroutine_wrapper"):
                return self._step_into_wrapper(chain, address, info)
            return self._step_into_cython(chain, address, info)
        if info.name == "NoneType":
            return None
        # Code behind an awaitable of an unknown type stays unseen; what its task waits for in the end does not.
        chain.awaits = info.name
        chain.complete = False
        return self._waiter(chain.driver) or None

    def _step_into_generator(self, chain: AwaitChain, address: int) -> int | None:
        found = self._frames.generator(address, chain.witnesses)
        if found.frame is None:
            return None
        if found.state is GeneratorState.RUNNING:
            self._add_running(chain, address, found.frame)
            return None
        frame = self._frames.describe(found.frame)
        chain.frames.append(frame)
        chain.raw_frames.append(found.frame)
        if not frame.file.endswith(_FUTURES_FILE):
            chain.innermost = (found.frame, frame)
        if found.state is GeneratorState.CREATED:
            return None
        if found.waits_for is not None:
            return found.waits_for
        # A bare yield: the generator at the end of a chain hands a future (or nothing) to its task.
        return self._waiter(chain.driver) or None

    def _add_running(self, chain: AwaitChain, address: int, frame: RawFrame) -> None:
        chain.running = True
        stack, stable = self._threads.stack_through(frame.address)
        if not stack:
            # The thread's stack never held still. What is certain is the frame itself, if it still runs.
            if self._frames.generator(address, []).state is not GeneratorState.RUNNING:
                raise InconsistentReadError("running code that no thread runs")
            stack, stable = [frame], False
        chain.frames.extend(self._frames.describe(raw) for raw in stack)
        chain.raw_frames.extend(stack)
        chain.complete = stable

    def _step_into_wrapper(self, chain: AwaitChain, address: int, info: TypeInfo) -> int | None:
        wrapped = self._memory.u64(address + _WRAPPED_AT)
        chain.witnesses.append((address + _WRAPPED_AT, wrapped.to_bytes(8, "little")))
        if not wrapped:
            chain.awaits = info.name  # finished: its task is about to be woken
        return wrapped or None

    def _step_into_future(self, chain: AwaitChain, address: int, info: TypeInfo) -> int | None:
        if self.is_done(address, info):
            chain.awaits = info.name
            return None
        if self.is_task(info):
            chain.through.append(self.task_name(address))
            return self._task_coroutine(chain, address, info)
        if info.name == _GATHERING:
            children = self._objects.attribute(address, "_children")
            waiting, total = self._not_done(children) if children else ([], 0)
            if waiting:
                chain.through.append(f"(gather: {len(waiting)} of {total} not done)")
                return self._other(chain, waiting)
        other = self._waited_for_by_frame(chain) or self._kept_from_sight(chain, address, info)
        if not other:
            chain.awaits = info.name
        return other

    def _other(self, chain: AwaitChain, candidates: list[int]) -> int | None:
        for candidate in candidates:
            if candidate not in chain.seen:
                return candidate
        return candidates[0] if candidates else None

    def _not_done(self, container: int) -> tuple[list[int], int]:
        """The futures of a list, tuple or set that are not done, and how many it holds."""
        names = self._objects.type_of(container).names
        members = self._objects.set_members(container) if "set" in names else list(self._objects.items(container))
        futures = [(m, self._objects.type_of(m)) for m in members]
        futures = [(m, info) for m, info in futures if self._is_future(info)]
        return [m for m, info in futures if not self.is_done(m, info)], len(futures)

    def _waited_for_by_frame(self, chain: AwaitChain) -> int | None:
        """The task for which the standard library's code at the end of the chain waits through a bare future."""
        if chain.innermost is None:
            return None
        raw, frame = chain.innermost
        if not frame.file.replace("\\", "/").endswith(_WAITING_FILES):
            return None
        for function, variable, attribute in _WAITS_FOR_OTHERS:
            # Up to 3.10 there is no qualified name: "__aexit__" alone has to do.
            if frame.function not in (function, function.rpartition(".")[2]):
                continue
            held = self._frames.local(raw, variable)
            if held and attribute:
                held = self._objects.attribute(held, attribute)
            if not held:
                continue
            info = self._objects.type_of(held)
            if self._is_future(info):
                return held if held not in chain.seen and not self.is_done(held, info) else None
            if {"set", "list", "tuple"} & set(info.names):
                waiting, total = self._not_done(held)
                if total > 1:
                    chain.through.append(f"({function.rpartition('.')[2]}: {len(waiting)} of {total} not done)")
                return self._other(chain, waiting)
        return None

    def _closures(self, address: int, info: TypeInfo) -> Iterator[tuple[str, list[int]]]:
        """The functions that a future will call: qualified name, and what their cells hold, by the variables' names."""
        layout = self._objects.layout.object
        callbacks: list[int] = []
        first = self._memory.u64(address + self._layout.future_callback0) if self._is_c_future(info) else 0
        if first:
            callbacks.append(first)
        more = self._field(address, info, self._layout.future_callbacks, "_callbacks")
        if more:
            for entry in self._objects.items(more)[:_MAX_CALLBACKS]:
                callbacks.extend(self._objects.items(entry)[:1])
        for callback in callbacks:
            closure = 0
            if self._objects.type_of(callback).name == "function":
                closure = self._memory.u64(callback + layout.function_closure)
            if closure:
                cells = self._objects.items(closure)[:_MAX_CALLBACKS]
                qualname = self._objects.read_str(self._memory.u64(callback + layout.function_qualname))
                yield qualname, [self._objects.cell_content(cell) for cell in cells]

    def _kept_from_sight(self, chain: AwaitChain, address: int, info: TypeInfo) -> int | None:
        """The future that `asyncio.shield` keeps out of sight: only its outer future's callback knows it.

        For a future that stands for a call in a thread pool the frames of its thread are added; nothing follows then.
        """
        concurrent = 0
        for qualname, held in self._closures(address, info):
            futures = [item for item in held if item and self._is_future(self._objects.type_of(item))]
            if not futures:
                continue
            if qualname == _SHIELD_CALLBACK:
                # In alphabetical order: `cur_task` (3.14 and later, the task that shields), then `inner`.
                return futures[-1]
            if qualname == _CHAINED_CALLBACK:
                concurrent = futures[0]
        raw_frames, stable = self._pools.frames_of(concurrent or address)
        if raw_frames:
            chain.through.append("(a thread of a pool)")
            chain.frames.extend(self._frames.describe(raw) for raw in raw_frames)
            chain.raw_frames.extend(raw_frames)
            chain.complete = stable
        elif concurrent and self._pools.is_queued(concurrent):
            chain.through.append("(a thread pool's queue)")
        return None

    def _step_into_cython(self, chain: AwaitChain, address: int, info: TypeInfo) -> int | None:
        """A coroutine compiled by Cython (uvloop's own): its name, and what it awaits, from the words of its object.

        The fields' places differ between Cython's versions, so the two neighbouring strings (name, qualified name) are
        looked for, with the awaited object before and the module's name after them (Cython 3.0 and 3.1, Coroutine.c).
        """
        size = min(max(info.basic_size, 0), 256)
        fields = (0, 0, *(self._memory.u64(address + at) for at in range(16, size, 8)))
        for at in range(7, len(fields) - 2):
            if not (self._is_str(fields[at]) and self._is_str(fields[at + 1])):
                continue
            name = self._objects.read_str(fields[at + 1])
            chain.frames.append(Frame(name, self._cython_file(fields[at + 2 : at + 4]) or info.name, None))
            chain.innermost = None
            for awaited_at in (at - 1, at - 2):
                if fields[awaited_at] and self._is_awaitable(fields[awaited_at]):
                    place = address + 8 * awaited_at
                    chain.witnesses.append((place, fields[awaited_at].to_bytes(8, "little")))
                    return fields[awaited_at]
            return self._waiter(chain.driver) or None
        chain.awaits = info.name
        chain.complete = False
        return None

    def _cython_file(self, after_names: tuple[int, ...]) -> str | None:
        """The source file of compiled code (uvloop/loop.pyx), else its module's name (uvloop.loop)."""
        for address in reversed(after_names):
            try:
                if address and self._objects.type_of(address).name == "code":
                    return self._frames.code(address).file
            except InconsistentReadError:
                continue
            if self._is_str(address):
                return self._objects.read_str(address)
        return None

    def _is_str(self, address: int) -> bool:
        try:
            return bool(address) and self._objects.type_of(address).name == "str"
        except InconsistentReadError:
            return False

    def _is_awaitable(self, address: int) -> bool:
        try:
            info = self._objects.type_of(address)
        except InconsistentReadError:
            return False
        known = info.name in _GENERATORS or info.name in _WRAPPERS or info.name.startswith(_CYTHON)
        return known or self._is_future(info)
