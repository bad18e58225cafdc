"""A blocked call's stack to the connection pool that it waits for, by the places in `pools.toml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from gtdiag.model.report import Owner, StackFrame
from gtdiag.rules.toml_data import read_toml


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool's wait, as `pools.toml` says."""

    id: str
    name: str
    files: tuple[str, ...]
    functions: frozenset[str]
    wait: str
    certain: bool
    within: tuple[str, ...] = ()
    bare: bool = False


def match_pool_wait(stack: Sequence[StackFrame]) -> Pool | None:
    """The pool whose wait for a connection the innermost frames are; None where the stack goes on into other things."""
    for index in range(len(stack) - 1, -1, -1):
        pool = next((pool for pool in read_pools() if _stands_in(stack[index], pool)), None)
        if pool is None:
            if stack[index].owner is not Owner.STDLIB and not _passes_on(stack[index]):
                return None
        elif not pool.within or any(_path(frame).endswith(pool.within) for frame in stack[:index]):
            # A pool that connects is at work itself; one that waits stands in a condition, a queue, an awaited future.
            return pool if _only_waits(stack[index + 1 :], pool) else None
    return None


@cache
def read_pools() -> tuple[Pool, ...]:
    """All pools that gtdiag knows."""
    return tuple(
        Pool(
            id=entry["id"],
            name=entry["name"],
            files=tuple("/" + file for file in entry["files"]),
            functions=frozenset(entry["functions"]),
            wait=entry["wait"],
            certain=entry["certain"],
            within=tuple("/" + file for file in entry.get("within", ())),
            bare=entry.get("bare", False),
        )
        for entry in read_toml("pools.toml")["pool"]
    )


_WAITS = (
    "threading",
    "queue",
    "asyncio/locks",
    "asyncio/queues",
    "asyncio/tasks",
    "asyncio/timeouts",
    "asyncio/futures",
)
"""The standard library's modules in which a thread or a task waits for another one of the same process."""
_PASSES_ON = (
    "/sqlalchemy/util/_concurrency_py3k.py",
    "/sqlalchemy/util/concurrency.py",
    "/anyio/_core/_synchronization.py",
    "/anyio/_backends/_asyncio.py",
    "/async_timeout/__init__.py",
    "/gevent/lock.py",
    "/gevent/queue.py",
    "/gevent/thread.py",
    "/psycopg_pool/_acompat.py",
    "/pymongo/lock.py",
)
"""What only hands a wait on to the loop or the hub."""


def _stands_in(frame: StackFrame, pool: Pool) -> bool:
    return frame.function.rpartition(".")[2] in pool.functions and _path(frame).endswith(pool.files)


def _only_waits(inner: Sequence[StackFrame], pool: Pool) -> bool:
    # Without such a frame it may be the pool's own mutex, which is held for an instant.
    if not pool.bare and not any(_is_wait(frame) for frame in inner):
        return False
    return all(_is_wait(frame) or _passes_on(frame) or _is_pools_own(frame) for frame in inner)


def _is_wait(frame: StackFrame) -> bool:
    stem = _path(frame).removesuffix(".py")
    return frame.owner is Owner.STDLIB and stem.endswith(tuple("/" + name for name in _WAITS))


def _is_pools_own(frame: StackFrame) -> bool:
    return any(_stands_in(frame, pool) for pool in read_pools())


def _passes_on(frame: StackFrame) -> bool:
    return _path(frame).endswith(_PASSES_ON)


def _path(frame: StackFrame) -> str:
    # Cython code and shortened tracebacks give relative paths.
    return "/" + frame.file.replace("\\", "/").lstrip("/")
