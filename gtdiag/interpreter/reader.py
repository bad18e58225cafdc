"""Opens the CPython interpreter of another process and reads it: its suspended tasks, threads and single objects."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from gtdiag.interpreter.access import access_error
from gtdiag.interpreter.await_chain import AwaitChainReader
from gtdiag.interpreter.debug_offsets import COOKIE, HEAD_BYTES
from gtdiag.interpreter.destinations import DestinationReader
from gtdiag.interpreter.elf import InterpreterPlace, find_interpreter
from gtdiag.interpreter.embedded_frames import EmbeddedFrames
from gtdiag.interpreter.errors import (
    InconsistentReadError,
    InterpreterGoneError,
    InterpreterStartingError,
    UnsupportedInterpreterError,
)
from gtdiag.interpreter.frame_objects import FrameObjects
from gtdiag.interpreter.frames import CodeInfo, FrameFamily, FrameReader
from gtdiag.interpreter.greenlets import GreenletReader
from gtdiag.interpreter.layout import Layout, known_versions, read_layout
from gtdiag.interpreter.memory import ProcessMemory
from gtdiag.interpreter.objects import KnownObjects, ObjectReader, Simple
from gtdiag.interpreter.published_layout import PublishedLayoutReader, published_layout_of
from gtdiag.interpreter.remembered import ByBytes
from gtdiag.interpreter.requests_in_flight import RequestReader, RequestSeen
from gtdiag.interpreter.stillness import mark_rest
from gtdiag.interpreter.tasks import SuspendedReading, TaskReader
from gtdiag.interpreter.thread_names import ThreadNameReader
from gtdiag.interpreter.threads import ThreadReader
from gtdiag.model.stacks import NamedHost, ThreadStack

_VERSION_AT, _FREE_THREADED_AT = 8, 16
"""_Py_DebugOffsets of 3.13 and later: cookie, version, free_threaded."""
_FRAME_FAMILIES: dict[str, Callable[[ObjectReader], FrameFamily]] = {
    "embedded": EmbeddedFrames,
    "object": FrameObjects,
}
_VERSION_TEXT = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_TRIES = 2


class PythonVersion(NamedTuple):
    """Version of the interpreter that was read."""

    major: int
    minor: int
    micro: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.micro}"


class RemoteObject:
    """An object in the other process. Whatever cannot be read (any more) is None; only the process's end raises
    `InterpreterGoneError`. Nothing is called there: a property is not computed.
    """

    def __init__(self, objects: ObjectReader, address: int) -> None:
        self._objects = objects
        self.address = address

    def _begin(self) -> ObjectReader:
        self._objects.forget()
        return self._objects

    @property
    def type_name(self) -> str | None:
        """Name of its type, as `type(obj).__name__` or with its module for types made in C."""
        try:
            return self._begin().type_of(self.address).name
        except InconsistentReadError:
            return None

    def attribute(self, name: str) -> RemoteObject | None:
        """An attribute of the instance, else of its class. For a property NAME, the attribute `_NAME` stands in.

        (gunicorn's `Arbiter.num_workers` is a property that returns `_num_workers`.)
        """
        try:
            objects = self._begin()
            found = objects.attribute(self.address, name)
            if found is not None and objects.type_of(found).name == "property":
                found = objects.attribute(self.address, f"_{name}")
        except InconsistentReadError:
            return None
        return None if found is None else RemoteObject(self._objects, found)

    def item(self, key: str | int) -> RemoteObject | None:
        """The value of a dict's key, or a list's or tuple's item."""
        try:
            objects = self._begin()
            names = objects.type_of(self.address).names
            if "dict" in names:
                for key_at, value_at in objects.dict_entries(self.address):
                    if objects.simple_value(key_at) == key:
                        return RemoteObject(self._objects, value_at)
            elif isinstance(key, int) and {"list", "tuple"} & set(names):
                items = objects.items(self.address)
                if -len(items) <= key < len(items):
                    return RemoteObject(self._objects, items[key])
        except InconsistentReadError:
            pass
        return None

    def keys(self) -> tuple[Simple, ...]:
        """A dict's keys, or the names of an instance's own attributes, as far as they are simple values."""
        try:
            objects = self._begin()
            if "dict" in objects.type_of(self.address).names:
                entries = objects.dict_entries(self.address)
            else:
                entries = objects.instance_entries(self.address)
            keys = (objects.simple_value(key) for key, _ in entries)
            return tuple(key for key in keys if key is not None)
        except InconsistentReadError:
            return ()

    def length(self) -> int | None:
        """Number of a list's, tuple's or dict's items."""
        try:
            objects = self._begin()
            if "dict" in objects.type_of(self.address).names:
                return len(objects.dict_entries(self.address))
            return len(objects.items(self.address))
        except InconsistentReadError:
            return None

    def value(self) -> Simple:
        """A number, string, bytes or bool; None for None and for everything that is not simple (see `type_name`)."""
        try:
            return self._begin().simple_value(self.address)
        except InconsistentReadError:
            return None

    def __repr__(self) -> str:
        return f"<RemoteObject at {self.address:#x}>"


class KnownCode:
    """What is remembered of code and objects for all processes that are forks of one."""

    def __init__(self) -> None:
        self.objects = KnownObjects()
        self.codes: ByBytes[CodeInfo] = ByBytes()


@dataclass(frozen=True, slots=True)
class RestingReading:
    """All that one look at a process at rest has seen, of one and the same moment.

    `threads` is None where the kernel's ids of the threads are not known (several threads, up to CPython 3.10).
    """

    suspended: SuspendedReading
    threads: tuple[ThreadStack, ...] | None
    requests: tuple[RequestSeen, ...]
    named_hosts: tuple[NamedHost, ...]


class Interpreter:
    """The CPython interpreter of one process, opened for reading. Close it, or use it in a `with` statement."""

    def __init__(
        self,
        memory: ProcessMemory,
        layout: Layout,
        runtime_address: int,
        version: PythonVersion,
        publisher: PublishedLayoutReader | None = None,
        known: KnownCode | None = None,
    ) -> None:
        self._memory = memory
        self._known = known or KnownCode()
        self._runtime_address = runtime_address
        self._publisher = publisher
        self.pid = memory.pid
        self.version = version
        self._set_layout(layout)

    def _set_layout(self, layout: Layout) -> None:
        memory, runtime_address = self._memory, self._runtime_address
        self.layout = layout
        self._objects = ObjectReader(memory, layout, self._known.objects)
        family = _FRAME_FAMILIES[layout.frame.kind](self._objects)
        self._frames = FrameReader(self._objects, family, self._known.codes)
        self._threads = ThreadReader(self._objects, self._frames, runtime_address)
        self._thread_names = ThreadNameReader(self._objects, self._threads)
        chains = AwaitChainReader(self._objects, self._frames, self._threads)
        self._tasks = TaskReader(self._objects, self._frames, self._threads, chains)
        self._greenlets = GreenletReader(self._objects, self._frames, self._threads, runtime_address)
        self._destinations = DestinationReader(
            self._objects, self._frames, self._threads, self._tasks.addresses, chains, self._greenlets.stacks
        )
        self._requests = RequestReader(
            self._objects, self._frames, self._threads, self._tasks.addresses, chains, self._greenlets.stacks
        )

    def __enter__(self) -> Interpreter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the process's memory."""
        self._memory.close()

    def _begin(self) -> None:
        if self._publisher is not None and not self.layout.task.c_tasks_known:
            layout = self._publisher.read()  # asyncio may have been imported since
            if layout.task.c_tasks_known:
                self._set_layout(layout)
        self._objects.forget()
        self._frames.forget()
        self._threads.forget()

    def check(self) -> None:
        """Make sure that the layout fits: `sys.modules` is a dict with the module `sys` in it.

        Raises `InterpreterStartingError` while the interpreter is being set up, `UnsupportedInterpreterError` when
        what is there is something else.
        """
        starting = InterpreterStartingError(self.pid, "Python is still starting in it")
        for attempt in range(_TRIES):
            self._begin()
            try:
                interpreters = self._threads.interpreters()
                modules = self._threads.modules(interpreters[-1]) if interpreters else 0
                if not modules:
                    raise starting
                if self._objects.module(modules, "sys") is None:
                    raise starting
                return
            except InconsistentReadError:
                if attempt == _TRIES - 1:
                    raise UnsupportedInterpreterError(
                        self.pid, f"a build of CPython {self.version} whose memory layout is not the known one"
                    ) from None

    def read_suspended(self, max_tasks: int = 20000, max_seconds: float = 10.0) -> SuspendedReading:
        """Every asyncio task that is not done, with its await chain, and every suspended greenlet with its stack.

        Bounded by a number of each and a time; `truncated` says that there was more. Raises `InterpreterGoneError`
        when the process has ended.
        """
        self._begin()
        tasks = self._tasks.read(max_tasks, max_seconds)
        problems = list(tasks.problems)
        greenlets, more = self._greenlets.read(max_tasks, max_seconds, problems)
        return SuspendedReading((*tasks.suspended, *greenlets), tasks.truncated or more, tuple(problems))

    def read_at_rest(
        self, *, with_query_values: bool = False, with_hosts: bool = True, max_tasks: int = 20000
    ) -> RestingReading | None:
        """Everything at once, where no thread of the process runs meanwhile; None where one does.

        What holds still needs to be read only once. Raises `InterpreterGoneError` when the process has ended.
        """
        for _ in range(_TRIES):
            before = mark_rest(self.pid)
            if before is None:
                return None
            self._begin()
            self._memory.at_rest = True
            try:
                reading = self._read_all(len(before), with_query_values, with_hosts, max_tasks)
            except InconsistentReadError:
                reading = None
            finally:
                self._memory.at_rest = False
                self._memory.forget()  # more than a megabyte, which the next look does not trust anyway
            if mark_rest(self.pid) == before:
                return reading
        return None

    def _read_all(
        self, kernel_threads: int, with_query_values: bool, with_hosts: bool, max_tasks: int
    ) -> RestingReading | None:
        """One read of everything; None where something of it makes no sense, which is left to reading it with care."""
        suspended = self.read_suspended(max_tasks)
        if suspended.problems or not all(stable for _, stable in self._threads.stacks()):
            return None
        return RestingReading(
            suspended,
            self._named_threads(kernel_threads),
            self._requests.read(self.pid, 0.25, with_query_values=with_query_values),
            self.read_named_hosts() if with_hosts else (),
        )

    def _named_threads(self, kernel_threads: int) -> tuple[ThreadStack, ...] | None:
        threads = self._threads.threads()
        if len(threads) == kernel_threads == 1:
            threads = [replace(threads[0], native_thread_id=self.pid)]  # not kept in memory up to 3.10
        if not all(thread.native_thread_id for thread in threads):
            return None
        names = self._thread_names.read()
        return tuple(
            ThreadStack(
                thread_id=thread.thread_id,
                name=names.get(thread.thread_id),
                frames=tuple(self._frames.describe(raw) for raw in stack),
                main=thread.native_thread_id == self.pid,
                native_thread_id=thread.native_thread_id,
            )
            for thread, (stack, _) in zip(threads, self._threads.stacks(), strict=True)
            if stack
        )

    def read_requests(self, *, with_query_values: bool = False, max_seconds: float = 0.5) -> tuple[RequestSeen, ...]:
        """The requests that a gunicorn worker is handling; empty in any other process.

        Only what two reads agree on is given: a request that ends meanwhile is left out. Raises
        `InterpreterGoneError` when the process has ended.
        """
        reads: list[tuple[RequestSeen, ...]] = []
        for again in (False, True):
            self._begin()
            try:
                reads.append(
                    self._requests.read(self.pid, max_seconds / 2, with_query_values=with_query_values, again=again)
                )
            except InconsistentReadError:
                return ()
            if not reads[0]:
                return ()
        later = {seen.key: seen for seen in reads[1]}
        # Which thread runs it may change from one read to the next; what the request is does not.
        return tuple(
            later[seen.key]
            for seen in reads[0]
            if seen.key in later and replace(seen, on_main_thread=later[seen.key].on_main_thread) == later[seen.key]
        )

    def read_named_hosts(self, max_seconds: float = 0.05) -> tuple[NamedHost, ...]:
        """The hosts that waiting frames name in a DSN, a URL or a connection object.

        Raises `InterpreterGoneError` when the process has ended.
        """
        self._begin()
        return self._destinations.read(max_seconds)

    def read_module_string(self, module: str, attribute: str) -> str | None:
        """A string in an imported module, such as gunicorn's `__version__`; None where there is none."""
        found = self.read_module_attribute(module, attribute)
        value = found.value() if found else None
        return value if isinstance(value, str) else None

    def read_module_attribute(self, module: str, attribute: str) -> RemoteObject | None:
        """An object in an imported module (looked for in the main interpreter)."""
        for _ in range(_TRIES):
            self._begin()
            try:
                modules = self._threads.modules(self._threads.interpreters()[-1])
                module_at = self._objects.module(modules, module) if modules else None
                found = self._objects.attribute(module_at, attribute) if module_at else None
                return None if found is None else RemoteObject(self._objects, found)
            except (InconsistentReadError, IndexError):
                continue
        return None

    def read_self_of_frame(self, function_name: str, file_suffix: str) -> RemoteObject | None:
        """`self` of the outermost running frame of a method, on any thread; None where no such frame runs."""
        for _ in range(_TRIES):
            self._begin()
            try:
                for stack, _stable in self._threads.stacks():
                    for raw in stack:
                        code = self._frames.code(raw.code)
                        if function_name in (code.name, code.function) and code.file.endswith(file_suffix):
                            found = self._frames.local(raw, "self")
                            if found is not None:
                                return RemoteObject(self._objects, found)
                return None
            except InconsistentReadError:
                continue
        return None

    def read_threads(self) -> tuple[ThreadStack, ...]:
        """The stack of every thread that runs Python code, without names; which one is active is not known here.

        Frames of code that runs fast may be cut at the inner end: only what two reads agree on is given.
        """
        stacks: list[ThreadStack] = []
        self._begin()
        try:
            threads = self._threads.threads()
        except InconsistentReadError:
            return ()
        for thread in threads:
            raw, _stable = self._frames.stable_stack(thread.address)
            try:
                frames = tuple(self._frames.describe(frame) for frame in raw)
            except InconsistentReadError:
                continue
            if frames:
                stacks.append(
                    ThreadStack(
                        thread_id=thread.thread_id,
                        name=None,
                        frames=frames,
                        main=thread.native_thread_id == self.pid,
                        native_thread_id=thread.native_thread_id or None,
                    )
                )
        return tuple(stacks)


def _read_maps(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, ProcessLookupError):
        raise InterpreterGoneError(pid, "no such process") from None
    except PermissionError:
        raise access_error(pid) from None


def _open_memory(pid: int) -> ProcessMemory:
    try:
        return ProcessMemory(pid)
    except (FileNotFoundError, ProcessLookupError):
        raise InterpreterGoneError(pid, "no such process") from None
    except PermissionError:
        raise access_error(pid) from None


def _declared_version(memory: ProcessMemory, place: InterpreterPlace, head: bytes) -> PythonVersion | None:
    """From the constant Py_Version (3.11 and later) or the debug offsets (3.13 and later): `sys.hexversion`."""
    if head.startswith(COOKIE):
        number = int.from_bytes(head[_VERSION_AT : _VERSION_AT + 8], "little")
    elif place.version_address is not None:
        number = memory.u64(place.version_address)
    else:
        return None
    version = PythonVersion(number >> 24 & 0xFF, number >> 16 & 0xFF, number >> 8 & 0xFF)
    return version if version.major == 3 and number >> 32 == 0 else None


_known_codes: dict[tuple[str, int, PythonVersion], KnownCode] = {}
"""By the interpreter's file, address and version: the same in all forks of one process, and hardly in any other."""
_MAX_KNOWN_CODES = 16


def _known_code(place: InterpreterPlace, version: PythonVersion) -> KnownCode:
    key = (place.path, place.runtime_address, version)
    if key not in _known_codes and len(_known_codes) >= _MAX_KNOWN_CODES:
        _known_codes.clear()
    return _known_codes.setdefault(key, KnownCode())


def read_interpreter(pid: int, memory: ProcessMemory, place: InterpreterPlace) -> Interpreter:
    """The interpreter at a place in a process's memory; see `open_interpreter` for the errors."""
    head = memory.read(place.runtime_address, HEAD_BYTES)
    version = _declared_version(memory, place, head)
    hint = f"{version.major}.{version.minor}" if version else place.minor_hint
    if hint is None:
        raise UnsupportedInterpreterError(pid, f"CPython of unknown version ({Path(place.path).name})")
    publisher = None
    if head.startswith(COOKIE):
        if head[_FREE_THREADED_AT]:
            raise UnsupportedInterpreterError(pid, f"free-threaded CPython {hint}t")
        names = published_layout_of(hint)
        publisher = PublishedLayoutReader(memory, place, hint, names) if names else None
    layout = publisher.read() if publisher else read_layout(hint)
    if layout is None:
        known = ", ".join(known_versions())
        raise UnsupportedInterpreterError(pid, f"CPython {hint} (known: {known})")
    major, _, minor = hint.partition(".")
    numbers = version or PythonVersion(int(major), int(minor), 0)
    interpreter = Interpreter(memory, layout, place.runtime_address, numbers, publisher, _known_code(place, numbers))
    interpreter.check()
    if version is None:
        match = _VERSION_TEXT.match(interpreter.read_module_string("sys", "version") or "")
        if match:
            interpreter.version = PythonVersion(*(int(part) for part in match.groups()))
        if interpreter.version[:2] != (int(major), int(minor)):
            raise UnsupportedInterpreterError(pid, f"CPython {interpreter.version} in a file named like {hint}")
    return interpreter


def open_interpreter(pid: int) -> Interpreter:
    """Open the CPython interpreter of a process for reading; it is neither stopped nor changed.

    Raises `InterpreterAccessError` without the permission, `InterpreterGoneError` when there is no such process (any
    more), `InterpreterStartingError` while Python is being set up in it, `UnsupportedInterpreterError` for all that is
    no CPython of a known version (64-bit, with GIL).
    """
    if sys.platform != "linux":
        raise UnsupportedInterpreterError(pid, "reading another process's memory needs Linux")
    place = find_interpreter(pid, _read_maps(pid))
    memory = _open_memory(pid)
    try:
        return read_interpreter(pid, memory, place)
    except InconsistentReadError as error:
        memory.close()
        raise UnsupportedInterpreterError(pid, f"its interpreter's memory makes no sense ({error})") from None
    except BaseException:
        memory.close()
        raise
