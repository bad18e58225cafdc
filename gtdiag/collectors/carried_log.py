"""A master that writes to a pipe or a socket to where those lines end up: a container's log file, or the journal."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import replace
from pathlib import Path

from gtdiag.collectors.container_logs import FILE_SYSTEM, find_container_log
from gtdiag.collectors.journal_tail import can_read_journal, journal_command
from gtdiag.collectors.log_location import STANDARD_ERROR, STANDARD_OUTPUT, LogLocation
from gtdiag.shell_words import quote_command

_STANDARD_ERROR_NAMES = frozenset({"-", "", "/dev/stderr", "/dev/stdout", "/dev/fd/2", "/dev/fd/1", "/proc/self/fd/2"})
_SERVICE = re.compile(r"/([^/\n]+\.service)(?=/|$)", re.MULTILINE)
_USER_MANAGER = re.compile(r"/user@(\d+)\.service/")
_MOST_PARENTS = 64


def find_carried_log(pid: int, error_log: str | None, location: LogLocation, root: Path = FILE_SYSTEM) -> LogLocation:
    """The location, or a better one where it has no file and the master's standard error is an engine's or journald's.

    `error_log`: the master's setting; what is written to a file elsewhere is in no container's log. `root`: what the
    engines' folders are looked for in.
    """
    if (error_log or "-") not in _STANDARD_ERROR_NAMES or (location.path is not None and not location.why):
        return location
    cgroup = _read(f"/proc/{pid}/cgroup")
    found = find_container_log(cgroup, root)
    if found is None:
        return _journal_of_service(pid, cgroup, location)
    first = _first_in_container(pid, found.container)
    if not _writes_to_its_engine(pid, first):
        why = f"{location.why}; it is not the container's own, which its first process has (pid {first})"
        return replace(location, why=why)
    if found.journal:
        return _followed_by_journalctl(found.journal, "the container's entries in the journal", location)
    if found.path is None:
        return replace(location, why=f"{location.why}; {found.why}" if location.why else found.why)
    return LogLocation(found.path, str(found.path))


def _journal_of_service(pid: int, cgroup: str, location: LogLocation) -> LogLocation:
    services = _SERVICE.findall(cgroup)
    if not services or not _is_socket(pid, STANDARD_ERROR):
        return location
    stream = _environment_of(pid).get("JOURNAL_STREAM")
    if stream is not None and stream not in (_identity(pid, STANDARD_ERROR), _identity(pid, STANDARD_OUTPUT)):
        return location
    user = _USER_MANAGER.search(cgroup)
    unit = services[-1]
    if user is not None and not unit.startswith("user@"):
        matches: tuple[str, ...] = (f"_SYSTEMD_USER_UNIT={unit}", f"_UID={user[1]}")
    else:
        matches = (f"_SYSTEMD_UNIT={unit}",)
    return _followed_by_journalctl(matches, f"the journal of {unit}", location)


def _followed_by_journalctl(matches: tuple[str, ...], shown: str, location: LogLocation) -> LogLocation:
    if can_read_journal():
        return LogLocation(None, shown, journal=matches)
    return replace(
        location,
        why=f"the log is {shown}, and journalctl is not installed here",
        hint=f"where it is: {quote_command(journal_command(matches))} | gtdiag watch PID --log -",
    )


def _writes_to_its_engine(pid: int, first: int) -> bool:
    """Whether the master's standard error is that of the container's first process: no supervisor takes it in between.

    True where that cannot be seen: then the container's log is the best there is.
    """
    own = _identity(pid, STANDARD_ERROR)
    theirs = {_identity(first, STANDARD_ERROR), _identity(first, STANDARD_OUTPUT)}
    return own is None or theirs == {None} or own in theirs


def _first_in_container(pid: int, container: str) -> int:
    """The outermost ancestor that is in the same container."""
    first = pid
    for _ in range(_MOST_PARENTS):
        parent = _parent_of(first)
        if parent is None or container not in _read(f"/proc/{parent}/cgroup"):
            break
        first = parent
    return first


def _is_socket(pid: int, descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(f"/proc/{pid}/fd/{descriptor}").st_mode)  # noqa: PTH116
    except OSError:
        return False


def _identity(pid: int, descriptor: int) -> str | None:
    """Device and inode, as systemd writes them into JOURNAL_STREAM."""
    try:
        status = os.stat(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH116
    except OSError:
        return None
    return f"{status.st_dev}:{status.st_ino}"


def _parent_of(pid: int) -> int | None:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 and fields[1] != "0" else None


def _environment_of(pid: int) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in _read(f"/proc/{pid}/environ").split("\0"))
    return {name: value for name, separator, value in pairs if separator and name == "JOURNAL_STREAM"}


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
