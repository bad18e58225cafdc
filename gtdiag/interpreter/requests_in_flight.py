"""Frames of a gunicorn worker that handle a request (running, or suspended in a task or greenlet) to that request.

Where the request lies was looked up in gunicorn 20.1 to 27.0 and uvicorn 0.13 to 0.40:
- `handle_request` of the sync, gthread, gevent and eventlet workers has the request in its local `req`;
- uvicorn's `RequestResponseCycle.run_asgi` has the ASGI scope in its `self.scope`, and is a task's own coroutine;
- gunicorn's asgi worker has it in the local `scope` of `_handle_http_request`.
Nothing of a request is read but its method, target, client address and the header that names it.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from gtdiag.interpreter.await_chain import AwaitChainReader
from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.frames import FrameReader, GeneratorState, RawFrame
from gtdiag.interpreter.objects import ObjectReader
from gtdiag.interpreter.request_text import (
    REQUEST_ID_HEADERS,
    mask_path,
    mask_query,
    parse_request_id,
    split_target,
)
from gtdiag.interpreter.threads import ThreadReader

_WSGI, _UVICORN, _ASGI = "wsgi", "uvicorn", "asgi"
_HANDLERS: dict[str, tuple[tuple[str, str], ...]] = {
    "handle_request": (("/gunicorn/workers/", _WSGI),),
    "handle_http2_request": (("/gunicorn/workers/", _WSGI),),
    "run_asgi": (("/uvicorn/protocols/http/", _UVICORN),),
    "_handle_http_request": (("/gunicorn/asgi/", _ASGI),),
    "_handle_http2_request": (("/gunicorn/asgi/", _ASGI),),
}
_NESTING_FILES = ("/gunicorn/asgi/",)
_DEEPEST_COROUTINE = 4
"""From a connection's task to the coroutine that handles a request: two steps in gunicorn 24 to 26, none since."""

_MAX_REQUESTS = 200
_MAX_HEADERS = 200
_LONGEST_TARGET = 2048
_LONGEST_WORD = 256
_LONGEST_BYTES = 16_384
_DATETIME_DATA = 25
"""PyDateTime_DateTime: object header, 8 bytes of hash, 1 of hastzinfo, then ten bytes (datetime.h, 3.8 to 3.13)."""


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """A request as one look saw it; see `gtdiag.model.requests.RequestInFlight` for the common fields.

    `started_local`: when its handling began on the worker's own wall clock, in a zone that is not known;
    `started_monotonic_s`: the same on CLOCK_MONOTONIC. At most one of them is known.
    """

    key: str
    method: str | None
    path: str | None
    query: str | None
    client: str | None
    request_id: str | None
    started_local: datetime | None = None
    started_monotonic_s: float | None = None
    on_main_thread: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """A frame that handles a request, whose task (if any) and whether the main thread runs it."""

    frame: RawFrame
    kind: str
    task_name: str = ""
    on_main_thread: bool = False
    task: int = 0


class RequestReader:
    """Reads the requests that one process is handling."""

    def __init__(
        self,
        objects: ObjectReader,
        frames: FrameReader,
        threads: ThreadReader,
        tasks: Callable[[], list[int]],
        chains: AwaitChainReader,
        greenlet_stacks: Callable[[], Iterable[list[RawFrame]]] | None = None,
    ) -> None:
        self._objects = objects
        self._frames = frames
        self._threads = threads
        self._tasks = tasks
        self._chains = chains
        self._greenlet_stacks = greenlet_stacks
        self._handling: dict[int, None] = {}

    def read(
        self, main_thread_id: int, max_seconds: float, *, with_query_values: bool, again: bool = False
    ) -> tuple[RequestSeen, ...]:
        """Every request that is being handled; the values in its query only where they are asked for.

        `again`: of the tasks, only those that handled one at the read before.
        """
        deadline = time.monotonic() + max_seconds
        tasks = list(self._handling) if again else None
        if not again:
            self._handling.clear()
        found: dict[str, RequestSeen] = {}
        for place in self._places(main_thread_id, tasks, deadline):
            if len(found) >= _MAX_REQUESTS or time.monotonic() > deadline:
                break
            if place.task:
                self._handling[place.task] = None
            try:
                seen = self._read_place(place, with_query_values)
            except InconsistentReadError:
                continue
            if seen is None:
                continue
            before = found.get(seen.key)
            if before is None or seen.on_main_thread:
                found[seen.key] = seen
        return tuple(found.values())

    # Where a request is handled

    def _places(self, main_thread_id: int, tasks: list[int] | None, deadline: float) -> Iterator[_Place]:
        main = self._main_thread(main_thread_id)
        stacks = [stack for stack, _ in self._threads.stacks()]
        for position, stack in enumerate(stacks):
            yield from self._handlers_in(stack, (_WSGI,), position == main)
        on_main = {raw.address for raw in stacks[main]} if 0 <= main < len(stacks) else set()
        yield from self._places_in_tasks(on_main, self._all_tasks() if tasks is None else tasks, deadline)
        with suppress(InconsistentReadError):
            for stack in self._greenlet_stacks() if self._greenlet_stacks is not None else ():
                yield from self._handlers_in(stack, (_WSGI,))

    def _all_tasks(self) -> list[int]:
        try:
            return self._tasks()
        except InconsistentReadError:
            return []  # what the threads run is still true

    def _places_in_tasks(self, on_main: set[int], tasks: list[int], deadline: float) -> Iterator[_Place]:
        # Of ten thousand tasks most run the same few functions: those that handle no request are told by their code.
        others: set[int] = set()
        for task in tasks:
            if time.monotonic() > deadline:
                return
            with suppress(InconsistentReadError):
                coroutine = self._chains.coroutine_of(task)
                code = self._frames.code_of_generator(coroutine) if coroutine else 0
                if not code or code in others:
                    continue
                found = False
                for place in self._handlers_of_task(coroutine, on_main):
                    found = True
                    yield replace(place, task=task, task_name=self._chains.task_name(task))
                if not found and not self._may_lead_to_handler(coroutine):
                    others.add(code)

    def _may_lead_to_handler(self, coroutine: int) -> bool:
        """Whether the code belongs to gunicorn's asgi worker, whose connections await what handles their requests."""
        raw = self._frames.generator(coroutine, []).frame
        return raw is None or any(part in self._frames.code(raw.code).file for part in _NESTING_FILES)

    def _main_thread(self, main_thread_id: int) -> int:
        """The position of the main thread: by the kernel's id, else (up to 3.10) the first that was made."""
        threads = self._threads.threads()
        for position, thread in enumerate(threads):
            if thread.native_thread_id == main_thread_id:
                return position
        return len(threads) - 1

    def _handlers_in(
        self, stack: Iterable[RawFrame], kinds: tuple[str, ...], on_main_thread: bool = False
    ) -> Iterator[_Place]:
        innermost: _Place | None = None
        for raw in stack:
            with suppress(InconsistentReadError):
                kind = self._kind_of(raw)
                if kind in kinds:
                    innermost = _Place(raw, kind, on_main_thread=on_main_thread)
        # A method that a subclass extends is on the stack twice (gevent's worker): it is still one request.
        if innermost is not None:
            yield innermost

    def _kind_of(self, raw: RawFrame) -> str:
        code = self._frames.code(raw.code)
        for part, kind in _HANDLERS.get(code.name, ()):
            if part in code.file:
                return kind
        return ""

    def _handlers_of_task(self, coroutine: int, on_main: set[int]) -> Iterator[_Place]:
        current: int | None = coroutine
        for _ in range(_DEEPEST_COROUTINE):
            if not current or self._objects.type_of(current).name != "coroutine":
                return
            generator = self._frames.generator(current, [])
            if generator.frame is None or generator.state is GeneratorState.CREATED:
                return
            kind = self._kind_of(generator.frame)
            running = generator.state is GeneratorState.RUNNING
            if kind:
                yield _Place(generator.frame, kind, "", running and generator.frame.address in on_main)
                return
            if running:
                # What it awaits is on the stack of the thread that runs it.
                inner, _stable = self._threads.stack_through(generator.frame.address)
                for place in self._handlers_in(inner[:_DEEPEST_COROUTINE], (_UVICORN, _ASGI)):
                    yield replace(place, on_main_thread=place.frame.address in on_main)
                return
            current = generator.waits_for

    # What is read of a request

    def _read_place(self, place: _Place, with_query_values: bool) -> RequestSeen | None:
        if place.kind == _WSGI:
            seen = self._read_wsgi(place.frame)
        elif place.kind == _UVICORN:
            cycle = self._frames.local(place.frame, "self")
            scope = self._objects.attribute(cycle, "scope") if cycle else None
            seen = self._read_scope(scope) if scope else None
        else:
            scope = self._frames.local(place.frame, "scope")
            seen = self._read_scope(scope) if scope else None
            started_s = self._float(self._frames.local(place.frame, "request_start"))
            if seen is not None and started_s:
                seen = replace(seen, key=f"{seen.key}-{started_s!r}", started_monotonic_s=started_s)
        if seen is None:
            return None
        if place.task_name:
            seen = replace(seen, key=f"{seen.key}-{place.task_name}")
        seen = replace(seen, on_main_thread=place.on_main_thread)
        if with_query_values:
            return seen
        return replace(
            seen,
            path=None if seen.path is None else mask_path(seen.path),
            query=None if seen.query is None else mask_query(seen.query),
        )

    def _read_wsgi(self, frame: RawFrame) -> RequestSeen | None:
        request = self._frames.local(frame, "req")
        if not request:
            return None
        target = self._text(self._objects.attribute(request, "uri"), _LONGEST_TARGET)
        path, query = split_target(target) if target is not None else (None, None)
        started = self._datetime(self._frames.local(frame, "request_start"))
        when = started.isoformat() if started else ""
        return RequestSeen(
            key=f"{request:x}-{when}",
            method=self._text(self._objects.attribute(request, "method"), _LONGEST_WORD),
            path=path,
            query=query,
            client=self._wsgi_client(frame, request),
            request_id=self._request_id(self._objects.attribute(request, "headers")),
            started_local=started,
        )

    def _wsgi_client(self, frame: RawFrame, request: int) -> str | None:
        """REMOTE_ADDR as gunicorn has told the application, else the peer itself."""
        environ = self._frames.local(frame, "environ")
        if environ and "dict" in self._objects.type_of(environ).names:
            told = self._text(self._objects.dict_get(environ, "REMOTE_ADDR"), _LONGEST_WORD)
            if told:
                return told
        return self._host(self._objects.attribute(request, "peer_addr"))

    def _read_scope(self, scope: int) -> RequestSeen | None:
        objects = self._objects
        held: dict[str, int] = {}
        for key, value in objects.dict_entries(scope):
            if objects.type_of(key).name == "str":
                held[objects.read_str(key, _LONGEST_WORD)] = value
        if self._text(held.get("type"), _LONGEST_WORD) != "http":
            return None
        raw = self._text(held.get("raw_path"), _LONGEST_TARGET) or self._text(held.get("path"), _LONGEST_TARGET)
        path, query = split_target(raw) if raw is not None else (None, None)
        return RequestSeen(
            key=f"{scope:x}",
            method=self._text(held.get("method"), _LONGEST_WORD),
            path=path,
            query=self._text(held.get("query_string"), _LONGEST_TARGET) or query,
            client=self._host(held.get("client")),
            request_id=self._request_id(held.get("headers")),
        )

    def _request_id(self, headers: int | None) -> str | None:
        if not headers:
            return None
        found: dict[str, str] = {}
        for pair in self._objects.items(headers)[:_MAX_HEADERS]:
            entry = self._objects.items(pair)
            if len(entry) != 2:
                continue
            name = (self._text(entry[0], 64) or "").lower()
            if name in REQUEST_ID_HEADERS:
                value = parse_request_id(name, self._text(entry[1], _LONGEST_WORD) or "")
                if value is not None:
                    found.setdefault(name, value)
        return next((found[name] for name in REQUEST_ID_HEADERS if name in found), None)

    def _host(self, address: int | None) -> str | None:
        """The host of a socket address: the first of (host, port, ...), or a text that stands for it."""
        if not address:
            return None
        names = self._objects.type_of(address).names
        if "tuple" in names or "list" in names:
            items = self._objects.items(address)
            return self._text(items[0], _LONGEST_WORD) if items else None
        return self._text(address, _LONGEST_WORD) or None

    def _text(self, address: int | None, longest: int) -> str | None:
        """A str or bytes object as text; None for anything else."""
        if not address:
            return None
        names = self._objects.type_of(address).names
        if "str" in names:
            return self._objects.read_str(address, longest)
        if names[0] == "bytes":
            return self._objects.read_bytes(address, _LONGEST_BYTES)[:longest].decode("latin-1")
        return None

    def _float(self, address: int | None) -> float | None:
        if not address or "float" not in self._objects.type_of(address).names:
            return None
        value = self._objects.simple_value(address)
        return value if isinstance(value, float) else None

    def _datetime(self, address: int | None) -> datetime | None:
        """A naive datetime.datetime; its ten bytes are year (2), month, day, hour, minute, second, microsecond (3)."""
        if not address or "datetime.datetime" not in self._objects.type_of(address).names:
            return None
        data = self._objects.memory.read(address + _DATETIME_DATA, 10)
        year, month, day, hour, minute, second = struct.unpack(">HBBBBB", data[:7])
        try:
            return datetime(year, month, day, hour, minute, second, int.from_bytes(data[7:], "big"))
        except ValueError:
            raise InconsistentReadError(f"no datetime at {address:#x}") from None
