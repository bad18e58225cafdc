"""An open /proc/PID/statm for each process that is followed: whether it lives, and its size, in one system call."""

from __future__ import annotations

import os

from gtdiag.collectors.own_descriptors import descriptors_to_spare
from gtdiag.collectors.processes import is_same
from gtdiag.gunicorn.proc_files import read_stat
from gtdiag.model.identity import WorkerId

_LONGEST = 256


class Footprints:
    """Reads resident pages for some 3 microseconds a process, where opening `stat` each time takes some 40.

    An open file of /proc stays with the process that it was opened for: another one that gets the same pid later is
    not mistaken for it.
    """

    def __init__(self, most_open: int | None = None) -> None:
        self._most_open = descriptors_to_spare() if most_open is None else most_open
        self._open: dict[WorkerId, int] = {}

    def read_pages(self, worker: WorkerId) -> int | None:
        """The resident pages; None where they have to be read in another way (no right to, too many files open).

        Raises ProcessLookupError when that very process has gone, or is a zombie.
        """
        descriptor = self._open.get(worker)
        if descriptor is None:
            descriptor = self._open_one(worker)
            if descriptor is None:
                return None
        try:
            fields = os.pread(descriptor, _LONGEST, 0).split()
        except PermissionError:
            return None
        except OSError:  # ESRCH, in some kernels another: it is gone
            fields = []
        if len(fields) < 2 or fields[0] == b"0":  # a zombie has no memory any more
            raise ProcessLookupError(worker.pid)
        return int(fields[1])

    def forget(self, worker: WorkerId) -> None:
        """Let go of a process."""
        descriptor = self._open.pop(worker, None)
        if descriptor is not None:
            os.close(descriptor)

    def close(self) -> None:
        """Let go of all."""
        for worker in list(self._open):
            self.forget(worker)

    def _open_one(self, worker: WorkerId) -> int | None:
        if len(self._open) >= self._most_open:
            return None
        try:
            descriptor = os.open(f"/proc/{worker.pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise ProcessLookupError(worker.pid) from None
        except OSError:  # not this user's to read, or no descriptor left
            return None
        try:
            # Only now: from here on the open file and the pid mean the same process, or this one is gone.
            same = is_same(read_stat(worker.pid), worker.started_at_s)
        except PermissionError:
            os.close(descriptor)
            return None
        except ProcessLookupError:
            same = False
        if not same:
            os.close(descriptor)
            raise ProcessLookupError(worker.pid)
        self._open[worker] = descriptor
        return descriptor
