"""What can go wrong, said to a user: each error has a message, a hint (often a command to paste), an exit code."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """Exit codes of every command; part of the public interface."""

    NOTHING_FOUND = 0
    FOUND = 1
    USAGE = 2
    COULD_NOT_LOOK = 3
    INTERRUPTED = 130


class GtdiagError(Exception):
    """An error a user can act on. `hint` says how; the command line prints both on standard error."""

    exit_code: ExitCode = ExitCode.COULD_NOT_LOOK
    default_hint: str = ""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint


class UsageError(GtdiagError):
    """The command was called in a way that cannot work (exit code 2)."""

    exit_code = ExitCode.USAGE


class NoSuchProcessError(GtdiagError):
    """The pid does not exist (any more)."""

    default_hint = "list the gunicorn masters on this host: gtdiag ps"


class NotGunicornError(GtdiagError):
    """The pid exists and is not a gunicorn master or one of its workers."""

    default_hint = "list the gunicorn masters on this host: gtdiag ps"


class NoMasterFoundError(UsageError):
    """No gunicorn master runs on this host, or none that this user can see."""

    default_hint = "give the master's pid (gtdiag watch PID), or run as the user that runs gunicorn"


class SeveralMastersError(UsageError):
    """More than one gunicorn master runs here, so a pid is needed."""


class AccessError(GtdiagError):
    """A process or file exists and may not be read by this user."""

    default_hint = "run as the user that runs gunicorn, or as root (sudo)"


class LogReadError(GtdiagError):
    """A log file is missing, cannot be read, or holds not one line of gunicorn's."""


class RecordingError(GtdiagError):
    """A recording is damaged, comes from a newer schema, or cannot be written."""


class ToolMissingError(GtdiagError):
    """A program gtdiag relies on (py-spy) is not there or does not answer in time."""
