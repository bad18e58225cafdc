"""Stacks as they were seen: frames, threads, and suspended code (tasks, greenlets) with their await chains.

Order everywhere: outermost first, the innermost frame last ("most recent call last").
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """One Python (or native) frame. `function` is the qualified name where the interpreter has it (3.11 and later)."""

    function: str
    file: str
    line: int | None = None
    source: str | None = None
    """The source line, where a traceback in a log shows it."""
    coroutine: bool = False
    """Code of an `async def`, where the interpreter's memory tells."""


@dataclass(frozen=True, slots=True)
class ThreadStack:
    """The stack of one thread, running or blocked in a system call."""

    thread_id: int | None
    name: str | None
    frames: tuple[Frame, ...]
    main: bool = False
    active: bool = False
    """On a CPU (not idle in a system call) when it was looked at."""
    holds_gil: bool = False
    native_thread_id: int | None = None


@dataclass(frozen=True, slots=True)
class SuspendedCode:
    """A task or greenlet that waits, read from the process's memory.

    `frames`: the await chain, outermost first; it leads on into awaited tasks, whose names are in `through`.
    `awaits`: the type name of the awaitable at the end of the chain ("_asyncio.Future", ...), None where the chain is
    running code or could not be followed to its end (`complete` is False then).
    """

    kind: str  # "task" | "greenlet"
    name: str
    frames: tuple[Frame, ...]
    awaits: str | None = None
    through: tuple[str, ...] = ()
    running: bool = False
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Connection:
    """One socket of a process and its peer.

    `state` is the kernel's TCP state name ("SYN_SENT", "ESTABLISHED", "LISTEN", ...) or "UNIX".
    `outgoing` is False for a connection accepted on one of gunicorn's own listeners.
    """

    fd: int | None
    family: str  # "inet" | "inet6" | "unix"
    local: str
    peer: str | None
    state: str
    outgoing: bool = True
    inode: int | None = None
