"""A process to whether a thread of it ran between two moments: if none did, what was read in between is one picture.

A thread's schedstat counts the times that it was put on a CPU (the third number) and the nanoseconds that it was on
one (the first; kernel documentation, scheduler/sched-stats). One that sleeps before and after, with neither changed,
has not run in between, and a process none of whose threads has run has changed nothing.
"""

from __future__ import annotations

import os

MAX_THREADS = 64
"""Of more, the marks would cost more than reading twice does."""
_ASLEEP = (b"S", b"D", b"T", b"t", b"I")
"""States of proc(5) in which a thread runs no code: sleeping, waiting for a disk, stopped, traced, idle."""

Mark = tuple[tuple[str, bytes], ...]
"""Each thread's id, and its schedstat."""


def mark_rest(pid: int) -> Mark | None:
    """The threads of a process that is at rest; None where one runs, or where the kernel does not tell."""
    try:
        names = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
    except OSError:
        return None
    if not 0 < len(names) <= MAX_THREADS:
        return None
    found: list[tuple[str, bytes]] = []
    for name in names:
        folder = f"/proc/{pid}/task/{name}/"
        try:
            # The count first: a thread that ran in between the two shows it in the count of the second mark.
            count = _read(folder + "schedstat")
            state = _read(folder + "stat").rpartition(b") ")[2][:1]
        except OSError:
            return None
        if state not in _ASLEEP or not _counts(count):
            return None
        found.append((name, count))
    return tuple(found)


def _counts(schedstat: bytes) -> bool:
    """Whether the kernel keeps these counts: where they are switched off, it shows zeros."""
    words = schedstat.split()
    return len(words) == 3 and words[2] != b"0"


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 1024)
    finally:
        os.close(descriptor)
