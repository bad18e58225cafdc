"""The kernel's own log, from now on, to the processes that it says it killed for memory."""

from __future__ import annotations

import contextlib
import os

from gtdiag.collectors.containers import is_in_initial_pid_namespace
from gtdiag.parsing.kernel_lines import OomKill, parse_oom_line

DEVICE = "/dev/kmsg"
LONGEST_RECORD_BYTES = 8192
"""A record is read whole or not at all (Documentation/ABI/testing/dev-kmsg); the kernel's own limit is below this."""
MOST_RECORDS = 1000


class KernelLog:
    """Reads the records that come after it was made.

    Says nothing where the log may not be read (CAP_SYSLOG), nor in a PID namespace: it names the pids of the host, and
    one of them may happen to be a worker's here.
    """

    def __init__(self, device: str = DEVICE) -> None:
        self._descriptor: int | None = None
        if not is_in_initial_pid_namespace():
            return
        with contextlib.suppress(OSError):
            self._descriptor = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._descriptor, 0, os.SEEK_END)

    def read_kills(self) -> list[OomKill]:
        """The kills recorded since the last call, one for each process."""
        kills: list[OomKill] = []
        if self._descriptor is None:
            return kills
        for _ in range(MOST_RECORDS):
            try:
                record = os.read(self._descriptor, LONGEST_RECORD_BYTES)
            except BrokenPipeError:
                continue  # records were overwritten before they were read; the next read goes on after them
            except OSError:
                break
            if not record:
                break
            kill = parse_record(record)
            if kill is not None:
                kills.append(kill)
        return kills

    def close(self) -> None:
        """Let go of the device."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def parse_record(record: bytes) -> OomKill | None:
    """A record ("6,1234,98765,-;message") to the kill it tells of; of the lines about one, that which names it."""
    _, _, rest = record.decode("utf-8", "replace").partition(";")
    message = rest.partition("\n")[0]
    if "illed process" not in message:
        return None
    return parse_oom_line(message)
