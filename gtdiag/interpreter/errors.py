"""What can stand between gtdiag and another process's interpreter, each with the command that would change it."""

from __future__ import annotations

from gtdiag.errors import AccessError, GtdiagError


class InterpreterAccessError(AccessError):
    """The process exists and its memory may not be read; `why` says which rule of the kernel refuses it."""

    def __init__(self, message: str, why: str, hint: str) -> None:
        super().__init__(message, hint)
        self.why = why


class InterpreterGoneError(GtdiagError):
    """The process ended, or replaced itself (exec), before or while it was read."""

    default_hint = "list the gunicorn masters on this host: gtdiag ps"

    def __init__(self, pid: int, why: str = "the process is gone") -> None:
        super().__init__(f"cannot read process {pid}: {why}")
        self.why = why


class UnsupportedInterpreterError(GtdiagError):
    """The process runs no CPython of a version whose memory layout is known; `why` says what it is instead."""

    default_hint = "thread stacks and the log are still used; only tasks suspended in an event loop stay unseen"

    def __init__(self, pid: int, why: str) -> None:
        super().__init__(f"cannot read the Python interpreter of process {pid}: {why}")
        self.why = why


class InterpreterStartingError(UnsupportedInterpreterError):
    """The interpreter is not set up far enough to be read yet; worth another try a moment later."""


class InconsistentReadError(Exception):
    """A read gave nonsense: the memory changed while it was read. Never leaves this package."""


class UnreadableMemoryError(InconsistentReadError):
    """An address that is not mapped, usually because what pointed to it was already stale."""
