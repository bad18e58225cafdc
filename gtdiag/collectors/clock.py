"""The clock a collector is driven by: wall time, monotonic time and sleeping, so that a test can bring its own."""

from __future__ import annotations

import time
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


def read_seconds_since_boot() -> float:
    """The clock of a process's start time (proc(5): seconds since boot, suspend included)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
