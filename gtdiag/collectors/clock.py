"""The clock a collector is driven by: wall time, monotonic time and sleeping, so that a test can bring its own."""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """Where "now" comes from, and how time passes."""

    def now(self) -> datetime:
        """The wall clock, aware."""

    def monotonic(self) -> float:
        """Seconds on the clock that gunicorn's heartbeats use (CLOCK_MONOTONIC)."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def wait(self, seconds: float, descriptors: Sequence[int]) -> None:
        """Let time pass, but only until one of these can be read."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """The wall clock, in the host's zone as gunicorn's log stamps are."""
        return datetime.now(timezone.utc).astimezone()

    def monotonic(self) -> float:
        """CLOCK_MONOTONIC."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep; a signal handler that only sets a flag does not cut it short."""
        time.sleep(seconds)

    def wait(self, seconds: float, descriptors: Sequence[int]) -> None:
        """One poll(2): it takes descriptors of any number, as select(2) does not."""
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, seconds) * 1000)


def read_seconds_since_boot() -> float:
    """The clock of a process's start time (proc(5): seconds since boot, suspend included)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
