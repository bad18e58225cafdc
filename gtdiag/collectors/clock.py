"""The clock a collector is driven by: wall time, monotonic time and sleeping, so that a test can bring its own."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Protocol

STEP_S = 1.0
"""NTP turns a clock by less than this (adjtime slews 0.5 ms a second), what is set by hand or at start-up by more."""

READ_WITHIN_S = 0.05
"""Two clocks that were read further apart (this process was not run in between) say nothing of each other."""

MOST_READINGS = 5


class Clock(Protocol):
    """Where "now" comes from, and how time passes."""

    def now(self) -> datetime:
        """The wall clock, aware; it goes on evenly though somebody sets the machine's."""

    def stepped_s(self) -> float:
        """How far the machine's wall clock has been set forward (back: below 0) since this one began."""

    def monotonic(self) -> float:
        """Seconds on the clock that gunicorn's heartbeats use (CLOCK_MONOTONIC)."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def wait(self, seconds: float, descriptors: Sequence[int]) -> None:
        """Let time pass, but only until one of these can be read."""


class SystemClock:
    """The machine's own clocks. Safe to use from several threads.

    `now` follows the wall clock, small corrections too, but no step: what is seen before and after one must stay in
    order, and what lies between the two must not take an hour. The clock that goes on while the machine sleeps
    (CLOCK_BOOTTIME) tells what is a step.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since_boot_s: float | None = None
        """What the wall clock showed when the machine was started, reckoned by what it shows now."""
        self._stepped_s = 0.0

    def now(self) -> datetime:
        """The wall clock, in the host's zone as gunicorn's log stamps are."""
        wall_s, boot_s = _read_both()
        with self._lock:
            if boot_s is not None:
                change_s = 0.0 if self._since_boot_s is None else wall_s - boot_s - self._since_boot_s
                if abs(change_s) >= STEP_S:
                    self._stepped_s += change_s
                self._since_boot_s = wall_s - boot_s
            steady_s = wall_s - self._stepped_s
        return datetime.fromtimestamp(steady_s, timezone.utc).astimezone()

    def stepped_s(self) -> float:
        """As of the last `now`."""
        return self._stepped_s

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


def _read_both() -> tuple[float, float | None]:
    """The wall clock and the seconds since boot, at the same moment; no seconds where that could not be had."""
    wall_s = time.time()
    for _ in range(MOST_READINGS):
        before_s = read_seconds_since_boot()
        wall_s = time.time()
        if read_seconds_since_boot() - before_s <= READ_WITHIN_S:
            return wall_s, before_s
    return wall_s, None


def choose_unstepped(at: datetime, now: datetime, stepped_s: float) -> datetime:
    """A stamp of the machine's wall clock to the clock that took no step: which side of the step it is from.

    Whichever of the two is nearer to `now` and not after it; a stamp from the other side is an hour off, say.
    """
    if not stepped_s:
        return at
    late_s = (now - at).total_seconds()
    before_it_s, after_it_s = late_s, late_s + stepped_s
    nearer = min((before_it_s, after_it_s), key=lambda seconds: (seconds < -STEP_S, abs(seconds)))
    return at if nearer == before_it_s else at - timedelta(seconds=stepped_s)


def read_seconds_since_boot() -> float:
    """The clock of a process's start time (proc(5): seconds since boot, suspend included)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
