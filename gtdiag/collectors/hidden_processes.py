"""What /proc hides from this user (hidepid, proc(5)), said in a line with the command that changes it."""

from __future__ import annotations

import os

from gtdiag.collectors.own_rights import read_hidepid
from gtdiag.collectors.permissions import say_rerun
from gtdiag.gunicorn.proc_files import read_stat

FIRST_PID = 1
"""Every PID namespace has it, so that it is not seen tells of this user's rights."""
SHOW_ALL = "sudo mount -o remount,hidepid=0 /proc"
FOR_GROUP = "or with gid=GROUP, for the members of a group"


def find_hiding() -> str | None:
    """The hidepid option ("noaccess", "invisible", "ptraceable") where it keeps this user from other processes."""
    option = read_hidepid()
    if option in (None, "off"):
        return None
    try:
        read_stat(FIRST_PID)
    except (PermissionError, ProcessLookupError):
        return option
    return None  # root, a member of the group that is left out, or a PID namespace of this user's own


def is_hidden(pid: int) -> bool:
    """Whether there is such a process that /proc does not show, or shows without what is in it."""
    try:
        os.getpgid(pid)  # asked without /proc, and it needs no permission
    except (ProcessLookupError, PermissionError, OverflowError):
        return False
    try:
        read_stat(pid)
    except (PermissionError, ProcessLookupError):
        return True
    return False


def say_hidden(option: str) -> str:
    """The words for a gap."""
    return f"/proc hides the processes of other users from this user (hidepid={option})"


def say_how_to_see(verb: str, pid: int | None = None) -> str:
    """The commands that change it."""
    again = "sudo gtdiag ps" if pid is None else say_rerun(pid, verb)
    return f"{again}   (for every user, until the next boot: {SHOW_ALL}, {FOR_GROUP})"
