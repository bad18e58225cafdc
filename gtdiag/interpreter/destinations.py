"""The frames that wait (on threads, in tasks, in greenlets) to the hosts that their local variables name.

A DSN or URL in a local variable, or a connection object's own `host` and `port`, says what the application calls the
peer, which its address does not. Nothing is kept of them but host and port: no user, no password, no path.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from gtdiag.interpreter.await_chain import AwaitChainReader
from gtdiag.interpreter.errors import InconsistentReadError
from gtdiag.interpreter.frames import FrameReader, RawFrame
from gtdiag.interpreter.host_text import parse_host
from gtdiag.interpreter.objects import ObjectReader
from gtdiag.interpreter.threads import ThreadReader
from gtdiag.model.stacks import NamedHost

_TEXTS = ("dsn", "conninfo", "url", "uri", "database_url", "endpoint_url", "host", "hostname")
"""Locals of clients' own functions that hold a DSN, a URL or a bare host: psycopg2, psycopg, asyncpg, requests, httpx,
urllib3, SQLAlchemy, redis, botocore, http.client."""
_ATTRIBUTES = ("host", "_host", "hostname")
_MAX_TASKS = 64
_MAX_FRAMES = 64
_INNERMOST_OF_A_THREAD = 40


@dataclass(slots=True)
class _Budget:
    deadline: float
    frames: int = 4000

    def spent(self) -> bool:
        self.frames -= 1
        return self.frames < 0 or time.monotonic() > self.deadline


class DestinationReader:
    """Reads the hosts that one process's waiting frames name."""

    def __init__(
        self,
        objects: ObjectReader,
        frames: FrameReader,
        threads: ThreadReader,
        tasks: Callable[[], list[int]],
        chains: AwaitChainReader,
        greenlet_stacks: Callable[[], Iterable[list[RawFrame]]],
    ) -> None:
        self._objects = objects
        self._frames = frames
        self._threads = threads
        self._tasks = tasks
        self._chains = chains
        self._greenlet_stacks = greenlet_stacks

    def read(self, max_seconds: float) -> tuple[NamedHost, ...]:
        """What each frame names, each once; of very many tasks, the first ones."""
        budget = _Budget(time.monotonic() + max_seconds)
        found: dict[NamedHost, None] = {}
        for stack in self._stacks():
            for raw in stack[-_MAX_FRAMES:]:
                if budget.spent():
                    return tuple(found)
                with suppress(InconsistentReadError):
                    named = self._named_by(raw)
                    if named is not None:
                        found[named] = None
        return tuple(found)

    def _stacks(self) -> Iterator[list[RawFrame]]:
        with suppress(InconsistentReadError):
            yield from [stack[-_INNERMOST_OF_A_THREAD:] for stack, _ in self._threads.stacks()]
        with suppress(InconsistentReadError):
            for task in self._tasks()[:_MAX_TASKS]:
                with suppress(InconsistentReadError):
                    yield self._chains.read_task(task).raw_frames
        with suppress(InconsistentReadError):
            yield from self._greenlet_stacks()

    def _named_by(self, raw: RawFrame) -> NamedHost | None:
        code = self._frames.code(raw.code)
        local = self._frames.locals_named(raw, (*_TEXTS, "port", "self"))
        port = self._number(local.get("port"))
        for name in _TEXTS:
            named = parse_host(self._text(local.get(name)), bare=name in ("host", "hostname"))
            if named is not None:
                return NamedHost(code.function, code.file, named[0], named[1] or port)
        holder = local.get("self")
        if not holder:
            return None
        for name in _ATTRIBUTES:
            named = parse_host(self._text(self._attribute(holder, name)), bare=True)
            if named is not None:
                return NamedHost(code.function, code.file, named[0], self._number(self._attribute(holder, "port")))
        return None

    def _attribute(self, holder: int, name: str) -> int | None:
        """The instance's own attribute: a class's would be a property, or a default that says nothing."""
        for key, value in self._objects.instance_entries(holder):
            if self._objects.simple_value(key) == name:
                return value
        return None

    def _text(self, address: int | None) -> str | None:
        value = self._objects.simple_value(address) if address else None
        return value if isinstance(value, str) else None

    def _number(self, address: int | None) -> int | None:
        value = self._objects.simple_value(address) if address else None
        return value if isinstance(value, int) and 0 < value < 1 << 16 else None
