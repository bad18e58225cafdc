"""What the user said of the master (a pid, a pid file, nothing) to the master's pid."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from gtdiag.cli.completed_words import complete_masters
from gtdiag.cli.environment import option
from gtdiag.errors import (
    AccessError,
    GtdiagError,
    NoMasterFoundError,
    NoSuchProcessError,
    NotGunicornError,
    UsageError,
)
from gtdiag.foreign_files import read_foreign

Command = TypeVar("Command", bound=Callable[..., Any])


class UnsupportedSystemError(GtdiagError):
    """Processes can be looked at on Linux only."""

    default_hint = "analyze a saved log instead: gtdiag analyze FILE"


class HiddenProcessError(AccessError):
    """The process is there, and /proc does not show it to this user."""


def master_arguments(command: Command) -> Command:
    """Add PID and --pidfile; the command gets them as `pid` and `pidfile`."""
    add_pidfile = option(
        "--pidfile", metavar="FILE", help="Read the master's pid from this file (gunicorn's --pid) instead of PID."
    )
    add_pid = click.argument(
        "pid", type=click.IntRange(min=1), required=False, metavar="[PID]", shell_complete=complete_masters
    )
    return add_pid(add_pidfile(command))


def choose_master(pid: int | None, pidfile: str | None) -> int:
    """Return the pid of the master that is meant; without a word from the user, the only one on the host.

    Raises UsageError (nothing found, several found, both given), NoSuchProcessError, NotGunicornError, AccessError.
    """
    if not sys.platform.startswith("linux"):
        raise UnsupportedSystemError("running processes can only be looked at on Linux")
    if pid is not None and pidfile is not None:
        raise UsageError("PID and --pidfile were both given", hint="give one of them")

    from gtdiag.gunicorn.masters import find_master_of, find_masters_by_inner_pid, find_only_master

    if pidfile is not None:
        pid = read_pidfile(pidfile)
    if pid is None:
        return _find_only_master(find_only_master)
    try:
        return find_master_of(pid)
    except (NoSuchProcessError, AccessError) as error:
        meant = find_masters_by_inner_pid(pid)
        if not meant:
            _raise_hidden(pid, error)
        _name_outer(error, pid, meant)
        raise
    except NotGunicornError as error:
        _name_outer(error, pid, find_masters_by_inner_pid(pid))
        raise


def _name_outer(error: GtdiagError, pid: int, meant: Sequence[int]) -> None:
    if meant:
        masters = ", ".join(str(master) for master in meant)
        error.hint = f"{pid} is a pid inside a container; the master seen from here: {masters}"


def _raise_hidden(pid: int, error: GtdiagError) -> None:
    """Raise HiddenProcessError where the process is there and the mount of /proc keeps it from this user."""
    from gtdiag.collectors.hidden_processes import find_hiding, is_hidden, say_how_to_see

    option = find_hiding()
    if option is not None and is_hidden(pid):
        ctx = click.get_current_context(silent=True)
        verb = (ctx.info_name if ctx is not None else None) or "watch"
        raise HiddenProcessError(
            f"process {pid} exists, but /proc hides it from this user (hidepid={option})",
            hint=say_how_to_see(verb, pid),
        ) from error


def _find_only_master(find: Callable[[], int]) -> int:
    try:
        return find()
    except NoMasterFoundError as error:
        from gtdiag.collectors.hidden_processes import find_hiding, say_hidden, say_how_to_see

        option = find_hiding()
        if option is not None:
            error.message += f"; {say_hidden(option)}"
            error.hint = say_how_to_see("ps")
        raise


def read_pidfile(path: str) -> int:
    """Return the pid in a pid file. Raises AccessError or NoSuchProcessError where there is none to be had."""
    try:
        text = read_foreign(path, 64).strip()
    except PermissionError as error:
        raise AccessError(f"the pid file {path} may not be read by this user") from error
    except OSError as error:
        raise NoSuchProcessError(f"cannot read the pid file {path}: {error.strerror or error}") from error
    if not text.isdigit() or int(text) < 1:
        raise NoSuchProcessError(f"there is no pid in the pid file {path}")
    return int(text)
