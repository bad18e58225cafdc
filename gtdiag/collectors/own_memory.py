"""gtdiag's own memory cgroup to a warning where a watch may not fit into it: who is killed cannot say so any more."""

from __future__ import annotations

import os

from gtdiag.collectors.cgroup import CgroupMemory, find_cgroup, read_cgroup
from gtdiag.collectors.clock import Clock
from gtdiag.model.events import CollectionGap
from gtdiag.model.identity import Origin

ENOUGH_BYTES = 80 * 1024 * 1024
"""Under a limit of 63 MB 32 stuck workers were watched to the end, under 61 MB gtdiag was killed as it looked at them.

It takes some 45 MB itself, and up to four py-spy side by side the rest."""

MIB = 1024 * 1024


def find_own_memory() -> CgroupMemory | None:
    """The memory cgroup that gtdiag runs in."""
    place = find_cgroup(os.getpid())
    return None if place is None else read_cgroup(place)


def warn_of_little_memory(memory: CgroupMemory | None, clock: Clock, master_pid: int) -> list[CollectionGap]:
    """A gap where less is left than a watch may take; nothing where there is no limit."""
    if memory is None or memory.limit_bytes is None:
        return []
    # What is cached of files makes room.
    used_bytes = (memory.current_bytes or 0) - (memory.inactive_file_bytes or 0)
    left_bytes = max(0, memory.limit_bytes - max(0, used_bytes))
    own_bytes = min(used_bytes, _resident_bytes()) if used_bytes > 0 else 0
    if left_bytes + own_bytes >= ENOUGH_BYTES:
        return []
    return [
        CollectionGap(
            origin=Origin("cgroup"),
            at=clock.now(),
            master_pid=master_pid,
            what="own_memory",
            why=f"gtdiag may use {(left_bytes + own_bytes) // MIB} MB here, by the memory limit of its cgroup "
            f"({memory.limit_bytes // MIB} MB): with many workers to look at, the kernel may end it, or what shares "
            "the limit",
            hint=f"give it {ENOUGH_BYTES // MIB} MB, or record: what was recorded until then is kept (--record FILE)",
        )
    ]


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
