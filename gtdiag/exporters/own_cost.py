"""What gtdiag itself takes of the machine."""

from __future__ import annotations

import os
from pathlib import Path

from gtdiag.model.metrics import OwnCost


def read_own_cost() -> OwnCost:
    """Return CPU seconds, with those of programs that have ended (py-spy), and resident memory (proc(5), statm)."""
    times = os.times()
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        rss_bytes = pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        rss_bytes = None
    return OwnCost(times.user + times.system + times.children_user + times.children_system, rss_bytes)
