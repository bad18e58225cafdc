"""The processes of this host to gunicorn's masters, and any worker's pid to the pid of its master.

The decisive sign of a master is that it holds its children's heartbeat files; the command line only helps where
descriptor tables may not be read, or where no worker is alive at the moment.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from gtdiag.errors import (
    AccessError,
    NoMasterFoundError,
    NoSuchProcessError,
    NotGunicornError,
    SeveralMastersError,
)
from gtdiag.gunicorn.command_line import GunicornCall, parse_gunicorn_call
from gtdiag.gunicorn.heartbeat_files import read_heartbeat_files
from gtdiag.gunicorn.proc_files import (
    read_arguments,
    read_caught_signals,
    read_children,
    read_environment,
    read_inner_pid,
    read_parents,
    read_stat,
)

PID_OF_OLD_MASTER = "GUNICORN_PID"
"""The variable by which a re-executed master (USR2) is told of the old one: set to the old master's pid in 19 to 27."""

_OF_A_MASTER = frozenset({signal.SIGHUP, signal.SIGUSR2})
"""A master handles them (Arbiter.SIGNALS), each worker puts them back to the default (Worker.SIGNALS): 19 to 27."""


@dataclass(frozen=True, slots=True)
class GunicornMaster:
    """A master on this host. `proof`: "descriptors" (it holds its children's heartbeat files) or "command line"."""

    pid: int
    started_at_s: float
    proof: str
    command_line: str


def find_masters() -> list[GunicornMaster]:
    """Find the masters of this host that this user can see, oldest first."""
    parents = read_parents()
    with_children = set(parents.values())
    masters = []
    for pid in parents:
        try:
            proof = _proof(pid, has_children=pid in with_children)
            if proof is not None:
                masters.append(
                    GunicornMaster(
                        pid=pid,
                        started_at_s=read_stat(pid).started_at_s,
                        proof=proof,
                        command_line=_in_a_line(read_arguments(pid)),
                    )
                )
        except (ProcessLookupError, PermissionError):
            continue
    return sorted(masters, key=lambda master: (master.started_at_s, master.pid))


def find_only_master() -> int:
    """Return the pid of the only master on the host.

    A master and the one that USR2 made of it count as one server: the older one is meant.
    Raises NoMasterFoundError or SeveralMastersError.
    """
    masters = find_masters()
    successors = {successor for master in masters for successor in find_successors(master.pid)}
    roots = [master for master in masters if master.pid not in successors]
    if not roots:
        raise NoMasterFoundError("no gunicorn master found on this host")
    if len(roots) > 1:
        listed = "\n".join(f"  {master.pid}  {master.command_line}" for master in roots)
        raise SeveralMastersError(
            f"{len(roots)} gunicorn masters run on this host:\n{listed}",
            hint=f"say which one is meant, for example: gtdiag watch {roots[0].pid}",
        )
    return roots[0].pid


def find_master_of(pid: int) -> int:
    """Return the master's pid for the pid of a master, a worker, or a process that a worker started.

    Raises NoSuchProcessError, NotGunicornError, or AccessError where nothing about the process can be read.
    """
    try:
        stat = read_stat(pid)
    except ProcessLookupError:
        raise NoSuchProcessError(f"no process with pid {pid}") from None
    except PermissionError:
        raise AccessError(f"process {pid} may not be read by this user") from None
    try:
        current, denied = pid, False
        while current > 0:
            try:
                has_children = bool(read_children(current))
            except PermissionError:
                has_children = True
            if _proof(current, has_children=has_children) is not None:
                return current
            denied = denied or not _descriptors_readable(current)
            parent = read_stat(current).parent_pid
            if not _is_of_gunicorn(current):
                break
            current = parent
    except ProcessLookupError:
        raise NoSuchProcessError(f"process {pid} ended while it was looked at") from None
    if stat.state == "Z":
        raise NoSuchProcessError(f"process {pid} has ended (it is a zombie that its parent has not reaped)")
    if _is_of_gunicorn(pid):
        raise NotGunicornError(f"process {pid} is a gunicorn worker whose master is gone")
    if denied:
        raise AccessError(
            f"cannot tell whether process {pid} is gunicorn: its command line does not say so and its descriptors "
            "may not be read by this user"
        )
    command = _in_a_line(read_arguments_or_nothing(pid))
    raise NotGunicornError(f"process {pid} is not a gunicorn master or worker: {command or 'no command line'}")


def find_masters_by_inner_pid(pid: int) -> list[int]:
    """Find the masters in PID namespaces of their own where `pid`, as their log may say it, is theirs or a worker's."""
    found = []
    for master in find_masters():
        try:
            if read_inner_pid(master.pid) != master.pid and any(
                read_inner_pid(one) == pid for one in (master.pid, *read_children(master.pid))
            ):
                found.append(master.pid)
        except (ProcessLookupError, PermissionError):
            continue
    return found


def find_successors(pid: int) -> list[int]:
    """Find the masters that a USR2 re-execution made out of this one: its children that know it as the old master."""
    found = []
    try:
        children = read_children(pid)
    except (ProcessLookupError, PermissionError):
        return []
    for child in children:
        try:
            if _is_successor(child, pid):
                found.append(child)
        except (ProcessLookupError, PermissionError):
            continue
    return found


def read_arguments_or_nothing(pid: int) -> tuple[str, ...]:
    """The argument list; empty where the process is gone or may not be read."""
    try:
        return read_arguments(pid)
    except (ProcessLookupError, PermissionError):
        return ()


def _in_a_line(arguments: tuple[str, ...]) -> str:
    """A process chooses its arguments: a line break in them would begin a line that looks like one of gtdiag's."""
    return " ".join(" ".join(arguments).split())


def _proof(pid: int, *, has_children: bool) -> str | None:
    """By what a process is a master: "descriptors", "command line", or None."""
    call = _call(pid)
    if call is not None and call.role not in (None, "master"):
        return None
    if has_children and _holds_files_of_a_child(pid):
        parent = read_stat(pid).parent_pid
        if parent > 0 and _shares_a_file(pid, parent):
            return None  # a worker whose helper process was forked and so inherited the worker's file
        if call is not None and call.role == "master":
            return "descriptors"
        # What is left are real masters and the dirty arbiter of 25 and later, a fork of the master that has
        # workers of its own.
        if _is_fork_of_gunicorn(pid, parent):
            return None
        return "descriptors"
    if call is None:
        return None
    if call.role == "master":
        return "command line"
    if not has_children and _holds_a_file(pid) and not _catches_a_masters_signals(pid):
        return None  # a worker whose master is gone; a master that hangs in `pre_fork` holds its next worker's file
    parent = read_stat(pid).parent_pid
    parent_call = _call(parent) if parent > 0 else None
    if parent_call is None or parent_call.arguments != call.arguments:
        return "command line"
    return "command line" if _is_successor(pid, parent) else None


def _is_successor(pid: int, parent: int) -> bool:
    call = _call(pid)
    if call is not None and call.role is not None:
        return call.role == "master"
    return read_environment(pid).get(PID_OF_OLD_MASTER) == str(parent)


def _is_fork_of_gunicorn(pid: int, parent: int) -> bool:
    if parent <= 0 or read_arguments_or_nothing(pid) != read_arguments_or_nothing(parent):
        return False
    try:
        if _is_successor(pid, parent):
            return False
    except PermissionError:
        return False
    return _call(parent) is not None or _holds_files_of_a_child(parent)


def _is_of_gunicorn(pid: int) -> bool:
    """Whether it is worth asking the parent: a worker, or something a worker forked."""
    return _call(pid) is not None or _holds_a_file(pid)


def _call(pid: int) -> GunicornCall | None:
    return parse_gunicorn_call(read_arguments_or_nothing(pid))


def _descriptors_readable(pid: int) -> bool:
    try:
        read_heartbeat_files(pid)
    except PermissionError:
        return False
    return True


def _holds_files_of_a_child(pid: int) -> bool:
    try:
        own = {file.key for file in read_heartbeat_files(pid)}
        return bool(own) and any(_shares_a_file(child, pid) for child in read_children(pid))
    except PermissionError:
        return False


def _holds_a_file(pid: int) -> bool:
    try:
        return bool(read_heartbeat_files(pid))
    except PermissionError:
        return False


def _catches_a_masters_signals(pid: int) -> bool:
    return read_caught_signals(pid).issuperset(_OF_A_MASTER)


def _shares_a_file(pid: int, other: int) -> bool:
    try:
        first = {file.key for file in read_heartbeat_files(pid)}
        return bool(first) and any(file.key in first for file in read_heartbeat_files(other))
    except (ProcessLookupError, PermissionError):
        return False
