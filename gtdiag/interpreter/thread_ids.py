"""The ids by which a process knows its own threads to those that are seen from here (another PID namespace)."""

from __future__ import annotations

import os
from pathlib import Path


class ThreadIds:
    """Turns a thread id out of a process's own memory into the one that /proc shows here.

    An interpreter keeps what gettid(2) told it (CPython 3.11 and later): in a container that is watched from its host
    that is an id of the container's. NSpid in /proc/PID/task/TID/status has both (proc(5), Linux 4.1).
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._same = len(_read_ids(pid, pid)) < 2
        self._outer: dict[int, int] = {}

    def forget(self) -> None:
        """Begin a new look: ids of threads that are gone come back."""
        self._outer = {}

    def outer(self, inner: int) -> int:
        """The id seen from here; 0 ("not known") for a thread that is gone."""
        if self._same or inner == 0:
            return inner
        if inner not in self._outer:
            self._outer = dict(self._read())
        return self._outer.get(inner, 0)

    def _read(self) -> list[tuple[int, int]]:
        try:
            names = os.listdir(f"/proc/{self._pid}/task")  # noqa: PTH208
        except OSError:
            return []
        pairs = []
        for name in names:
            ids = _read_ids(self._pid, int(name))
            if ids:
                pairs.append((ids[-1], int(name)))
        return pairs


def parse_ids(status: str) -> tuple[int, ...]:
    """The NSpid line of a `status` file: the id in each namespace, outermost first; empty where there is none."""
    for line in status.splitlines():
        if line.startswith("NSpid:"):
            return tuple(int(word) for word in line.split()[1:] if word.isascii() and word.isdigit())
    return ()


def _read_ids(pid: int, tid: int) -> tuple[int, ...]:
    try:
        return parse_ids(Path(f"/proc/{pid}/task/{tid}/status").read_text(errors="replace"))
    except OSError:
        return ()
