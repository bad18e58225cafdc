"""A master's settings and descriptors to the file its error log is written to, or why it cannot be tailed."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from gtdiag.collectors.containers import KUBERNETES, find_engine, find_own_engine, read_container_id
from gtdiag.collectors.permissions import say_rerun
from gtdiag.foreign_files import open_foreign
from gtdiag.gunicorn.process_root import path_as_meant, path_in_root
from gtdiag.shell_words import quote_command

OPEN_FLAGS = re.compile(r"^flags:\s*([0-7]+)", re.MULTILINE)
STANDARD_ERROR, STANDARD_OUTPUT = 2, 1
JOURNAL = "journalctl -o json -f _PID={pid}"


@dataclass(frozen=True, slots=True)
class LogLocation:
    """Where to read the log. `path` opens it from here, `shown` is what a person calls it.

    `path` is None where it cannot be tailed; `why` and `hint` then say so. With a path, `why` says that it is a guess.
    `journal`: what its entries are matched with, where it is in the journal.
    """

    path: Path | None
    shown: str
    why: str = ""
    hint: str = ""
    journal: tuple[str, ...] = ()


def find_log(pid: int, error_log: str | None, chdir: str | None = None) -> LogLocation:
    """Find the error log of a master whose `errorlog` setting is `error_log` ("-" or None: standard error).

    A relative path is relative to the working directory at gunicorn's start. When the file does not exist by that
    name, the open descriptors of the master decide: they know the file whatever became of the folder.
    """
    if error_log not in (None, "-", ""):
        return _named_file(pid, str(error_log), chdir)
    reasons = []
    for descriptor in (STANDARD_ERROR, STANDARD_OUTPUT):
        location = _descriptor(pid, descriptor)
        if location.path is not None:
            return location
        reasons.append(location)
    appended = _appended_files(pid)
    if len(appended) == 1:
        # A logging configuration (--log-config) opens its files itself; with several, guessing could be wrong.
        return LogLocation(
            path=_plain(Path(f"/proc/{pid}/root{appended[0]}"), pid),
            shown=appended[0],
            why=f"{reasons[0].why}; {appended[0]}, the only file the master appends to, is taken for its log",
            hint=reasons[0].hint,
        )
    return reasons[0]


def _named_file(pid: int, error_log: str, chdir: str | None) -> LogLocation:
    denied = False
    named = path_as_meant(pid, error_log)
    for descriptor in (STANDARD_ERROR, STANDARD_OUTPUT):
        # /dev/stderr, or a link to it, as images have it.
        if named == Path(f"/proc/{pid}/fd/{descriptor}"):
            return _descriptor(pid, descriptor)
    candidates = [named]
    if error_log.startswith("/"):
        # Another user's root link may not be followed, though the file itself can be read.
        if not os.access(f"/proc/{pid}/root", os.X_OK):
            candidates.append(Path(error_log))
    else:
        if chdir:
            candidates.append(path_in_root(pid, f"{chdir}/{error_log}"))
        started_in = _started_in(pid)
        if started_in:
            candidates.append(path_in_root(pid, f"{started_in}/{error_log}"))
    for candidate in candidates:
        try:
            if candidate.is_file():
                open_foreign(candidate).close()
                return LogLocation(path=_plain(candidate, pid), shown=_shown(candidate, pid, error_log))
        except PermissionError:
            denied = True
        except OSError:
            continue
    if denied:
        return _unreadable(pid, error_log)
    for _, target in _open_files(pid):
        if target.endswith("/" + error_log.rsplit("/", 1)[-1]):
            path = Path(f"/proc/{pid}/root{target}")
            if path.is_file() and os.access(path, os.R_OK):
                return LogLocation(path=_plain(path, pid), shown=target)
    return LogLocation(
        path=None,
        shown=error_log,
        why=f"the error log {error_log} cannot be found from here",
        hint=f"name it: gtdiag watch {pid} --log PATH",
    )


def _descriptor(pid: int, descriptor: int) -> LogLocation:
    link = f"/proc/{pid}/fd/{descriptor}"
    name = "standard error" if descriptor == STANDARD_ERROR else "standard output"
    try:
        target = os.readlink(link)  # noqa: PTH115
        kind = os.stat(link).st_mode  # noqa: PTH116
    except PermissionError:
        return LogLocation(
            path=None,
            shown=name,
            why=f"the master's {name} may not be looked at by this user",
            hint=f"{say_rerun(pid)}, or name the log: gtdiag watch {pid} --log PATH",
        )
    except OSError:
        return LogLocation(None, name, why=f"the master has no {name}", hint=_hint(pid))
    if stat.S_ISREG(kind):
        deleted = target.endswith(" (deleted)")
        by_name = Path(f"/proc/{pid}/root{target}")
        # By name, so that a rotation is seen; by descriptor where the name is gone or means another file by now.
        try:
            same = not deleted and by_name.is_file() and by_name.samefile(link)
        except OSError:
            same = False
        path = _plain(by_name, pid) if same else Path(link)
        if not os.access(path, os.R_OK):
            return _unreadable(pid, target)
        return LogLocation(path=path, shown=target)
    if stat.S_ISCHR(kind) and target == "/dev/null":
        return LogLocation(
            None,
            target,
            why=f"the master's {name} is /dev/null, so its log is thrown away",
            hint="start gunicorn with --error-logfile PATH, or --error-logfile - and a standard error that is kept",
        )
    what = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: f"a terminal ({target})"}.get(
        stat.S_IFMT(kind), target
    )
    return LogLocation(
        path=None, shown=target, why=f"the master's {name} is {what}, which cannot be tailed", hint=_hint(pid)
    )


def _hint(pid: int) -> str:
    """The command that yields this master's log: the container runtime's, else the journal's."""
    try:
        cgroup = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        cgroup = ""
    engine, container = find_engine(pid), read_container_id(pid) or "CONTAINER"
    inside = find_own_engine()
    if engine == KUBERNETES:
        if inside:
            return f"kubectl logs -f POD -c CONTAINER | kubectl exec -i POD -c GTDIAG -- gtdiag watch {pid} --log -"
        return f"kubectl logs -f POD -c CONTAINER | gtdiag watch {pid} --log -"
    if engine is not None:
        log = f"{engine} logs -f --since 10m {container} 2>&1"
        if inside:
            return f"on the host: {log} | {engine} exec -i GTDIAG gtdiag watch {pid} --log -"
        return f"{log} | gtdiag watch {pid} --log -"
    unit = re.search(r"/([^/\n]+\.service)(?:/|$)", cgroup, re.MULTILINE)
    if unit:
        return f"journalctl -o json -f -u {quote_command([unit[1]])} | gtdiag watch {pid} --log -"
    return f"{JOURNAL.format(pid=pid)} | gtdiag watch {pid} --log -   (or name the file: --log PATH)"


def _unreadable(pid: int, shown: str) -> LogLocation:
    return LogLocation(path=None, shown=shown, why=f"the log {shown} may not be read by this user", hint=say_rerun(pid))


def _appended_files(pid: int) -> list[str]:
    """The files that the master has open for appending, access logs left out."""
    found = set()
    for name, target in _open_files(pid):
        if "access" in target.lower() or not target.startswith("/") or target.endswith(" (deleted)"):
            continue
        try:
            flags = OPEN_FLAGS.search(Path(f"/proc/{pid}/fdinfo/{name}").read_text())
            path = Path(f"/proc/{pid}/root{target}")
            if flags and int(flags[1], 8) & os.O_APPEND and path.is_file() and os.access(path, os.R_OK):
                found.add(target)
        except OSError:
            continue
    return sorted(found)


def _open_files(pid: int) -> list[tuple[str, str]]:
    """Descriptor and target of all that the master has open."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
    except OSError:
        return []
    files = []
    for name in names:
        try:
            files.append((name, os.readlink(f"/proc/{pid}/fd/{name}")))  # noqa: PTH115
        except OSError:
            continue
    return files


def _started_in(pid: int) -> str | None:
    """The PWD the process was started with: gunicorn's own idea of its start folder (util.getcwd)."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    for entry in environment.split(b"\0"):
        if entry.startswith(b"PWD=/"):
            return entry[4:].decode("utf-8", "surrogateescape")
    return None


def _plain(path: Path, pid: int) -> Path:
    """The same file by its ordinary name where that is the same file, so that it outlives the master."""
    root = f"/proc/{pid}/root"
    try:
        if path.is_relative_to(f"/proc/{pid}/cwd"):
            cwd = os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115
            ordinary = Path(cwd) / path.relative_to(f"/proc/{pid}/cwd")
        else:
            ordinary = Path("/") / path.relative_to(root)
        if ordinary.samefile(path):
            return ordinary
    except (OSError, ValueError):
        pass
    return path


def _shown(path: Path, pid: int, error_log: str) -> str:
    ordinary = _plain(path, pid)
    return error_log if ordinary == path else str(ordinary)
