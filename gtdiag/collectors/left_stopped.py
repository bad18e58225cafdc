"""A process that a program stopped and, being killed, did not set going again, to one that goes on.

The kernel lets a process go whose tracer dies, but a SIGSTOP stays: by kill(2), or by a PTRACE_ATTACH that was not
waited for. This is the only signal that gtdiag ever sends to a process that it looks at: it undoes its own helper.
"""

from __future__ import annotations

import os
import signal
import time

from gtdiag.gunicorn.proc_files import ProcessStat, read_stat

STOPPED, TRACED = "T", "t"
SEEN_WITHIN_S = 0.2
"""A process that is let go by its tracer gets its SIGSTOP when it is next scheduled."""
POLL_S = 0.01


def read_state_before(pid: int) -> ProcessStat | None:
    """What `set_going` must know of the process; None where it cannot be known."""
    try:
        return read_stat(pid)
    except (OSError, ValueError):
        return None


def set_going(pid: int, before: ProcessStat | None) -> bool:
    """Send SIGCONT to a process that is stopped and was not `before`; whether that was done.

    One that was stopped before is left as it is (somebody means it), and so is one that has another tracer by now.
    """
    if before is None or before.state in (STOPPED, TRACED):
        return False
    end_s = time.monotonic() + SEEN_WITHIN_S
    while time.monotonic() < end_s:
        try:
            now = read_stat(pid)
            if now.started_at_s != before.started_at_s:
                return False
            if now.state == STOPPED:
                return _continue(pid, before)
        except (OSError, ValueError):
            return False
        time.sleep(POLL_S)
    return False


def _continue(pid: int, before: ProcessStat) -> bool:
    """By a handle on the process: its pid may be another's by the time the signal is sent."""
    handle = os.pidfd_open(pid)
    try:
        if read_stat(pid).started_at_s != before.started_at_s:
            return False
        signal.pidfd_send_signal(handle, signal.SIGCONT)
        return True
    finally:
        os.close(handle)
