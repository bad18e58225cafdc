"""What `--log` says, and where a master logs, to the tail that a watch follows."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from gtdiag.collectors.carried_log import find_carried_log
from gtdiag.collectors.container_logs import FILE_SYSTEM
from gtdiag.collectors.journal_tail import JournalTail
from gtdiag.collectors.log_location import LogLocation, find_log
from gtdiag.collectors.log_tail import FileTail, PipeTail
from gtdiag.collectors.master import MasterFacts
from gtdiag.errors import LogReadError

AUTO, NONE, STANDARD_INPUT = "auto", "none", "-"


@dataclass(frozen=True, slots=True)
class ChosenLog:
    """The log to follow, and as what it is shown. `why` and `hint` where it cannot be followed, or not all of it."""

    tail: FileTail | PipeTail | JournalTail | None
    shown: str | None
    why: str = ""
    hint: str = ""


def choose_log(
    option: str,
    master_pid: int,
    facts: MasterFacts | None,
    stdin_descriptor: int | None,
    root: Path = FILE_SYSTEM,
) -> ChosenLog:
    """The log that the option names; for "auto" the one that the master writes to, if it can be found and followed.

    `root`: what the folders of container engines are looked for in.
    """
    if option == NONE:
        return ChosenLog(None, None)
    if option == STANDARD_INPUT:
        return ChosenLog(PipeTail(sys.stdin.fileno() if stdin_descriptor is None else stdin_descriptor), option)
    if option != AUTO:
        return ChosenLog(FileTail(Path(option)), option)
    location = find_masters_log(master_pid, facts, root)
    if location.path is None and location.journal:
        return ChosenLog(JournalTail(location.journal), location.shown)
    tail = None if location.path is None else FileTail(location.path)
    return ChosenLog(tail, location.shown if tail is not None else None, location.why, location.hint)


def find_masters_log(master_pid: int, facts: MasterFacts | None, root: Path = FILE_SYSTEM) -> LogLocation:
    """Where the master's log is: by its settings, its descriptors, its container, its unit."""
    error_log = facts.text("errorlog") if facts else None
    location = find_log(master_pid, error_log, facts.text("chdir") if facts else None)
    return find_carried_log(master_pid, error_log, location, root)


def check_log(option: str) -> None:
    """Raise LogReadError for a path that cannot be followed."""
    if option in (AUTO, NONE, STANDARD_INPUT):
        return
    path = Path(option)
    if not path.exists():
        raise LogReadError(f"the log {path} does not exist", "give the file gunicorn logs to, or --log auto")
    if path.is_dir():
        raise LogReadError(f"the log {path} is a folder", "give the file gunicorn logs to, or --log auto")
    if not path.is_file():
        raise LogReadError(
            f"the log {path} is no ordinary file, which could be followed",
            "pipe it in: COMMAND | gtdiag watch PID --log -",
        )
    if not os.access(path, os.R_OK):
        raise LogReadError(f"the log {path} may not be read by this user", "run with sudo, or --log none")
