"""A block of a log to how many troubled workers it tells of, at a hundred times the speed of parsing it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from gtdiag.collectors.literal_search import search_places_of
from gtdiag.collectors.log_lines import decode_line, line_end
from gtdiag.model.events import CountedTraceback
from gtdiag.parsing.line_times import parse_line_stamp
from gtdiag.parsing.lone_traceback import parse_lone_traceback

_TIMED_OUT, _BOOTED, _ENDED, _TERMINATED, _FAILED, _ABORTED, _RARE = range(7)

_KINDS = {
    b"WORKER TIMEOUT (pid:": _TIMED_OUT,
    b"Booting worker with pid: ": _BOOTED,
    b"Worker (pid:": _ENDED,
    b"Worker with pid ": _TERMINATED,
    b"] [ERROR] Exception in worker process": _FAILED,
    b"in handle_abort": _ABORTED,
    b"Starting gunicorn": _RARE,
    b"Handling signal: ": _RARE,
    b"Shutting down: Master": _RARE,
    b"HaltServer: ": _RARE,
    b"Killed process ": _RARE,
    b"oom-kill:constraint": _RARE,
}
_LITERALS = tuple(_KINDS)
_KIND_OF = tuple(_KINDS.values())

_ENDS_IN_TROUBLE = (b") was sent ", *(b") exited with code %d" % digit for digit in range(1, 10)))
_DIGITS = b"0123456789"
_PID_BYTES = 12
_PID = re.compile(rb"[0-9]{1,12}").match
_MOST_REMEMBERED = 1024
"""Workers whose trouble was told of a moment ago: a time-out and the kill after it are one worker's."""

_TRACEBACK = b"Traceback (most recent call last)"
_TRACEBACK_BYTES = 32_768
_MOST_TOLD = 20
_MOST_TRACEBACKS = 256
"""Different ones; more are not told apart. A log whose carrier stamps each line has no two that are equal."""


@dataclass(slots=True)
class CountedPart:
    """A part of a log that was counted: its troubled workers, and the times of the first and the last line of them.

    `tracebacks`: the bytes of those that end in gunicorn's `handle_abort`, and how many workers they were logged of.
    """

    workers: int = 0
    timed_out: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    tracebacks: dict[bytes, int] = field(default_factory=dict)

    def add(self, other: CountedPart) -> None:
        """Take in the part that follows."""
        self.workers += other.workers
        self.timed_out += other.timed_out
        self.first_at = self.first_at or other.first_at
        self.last_at = other.last_at or self.last_at
        known = self.tracebacks
        for text, times in other.tracebacks.items():
            if text in known or len(known) < _MOST_TRACEBACKS:
                known[text] = known.get(text, 0) + times

    def most_frequent_tracebacks(self) -> tuple[CountedTraceback, ...]:
        """Those that more than one worker logged, with their frames."""
        often = sorted(self.tracebacks.items(), key=lambda item: -item[1])[:_MOST_TOLD]
        read = [(times, parse_lone_traceback(decode_line(text))) for text, times in often if times > 1]
        return tuple(CountedTraceback(times, frames) for times, frames in read if frames)


class CrowdCounter:
    """Counts block after block of one log. `newest`: as in `LogParser`."""

    def __init__(self, newest: datetime | None = None) -> None:
        self._newest = newest
        self._search = search_places_of(_LITERALS)
        self._recent: dict[bytes, bool] = {}
        """Pids in trouble, and whether they timed out."""

    def count(self, block: bytes, starts: Iterable[int] | None = None) -> tuple[CountedPart, list[int]]:
        """What a block tells of, and where its rare lines begin. `starts`: of lines that may be told of; None: of all.

        Rare are the lives of masters and the kernel's records: too few and too weighty to be only counted.
        """
        part, rare, recent, search = CountedPart(), [], self._recent, self._search
        if starts is None:
            places: Iterable[tuple[int, int, int]] = search(block)
        else:
            places = (
                (number, start + begin, start + end)
                for start in starts
                for number, begin, end in search(block[start : line_end(block, start)])
            )
        tracebacks, most = part.tracebacks, _MOST_REMEMBERED
        first = last = -1
        for number, begin, end in places:  # a few a millisecond: what is frequent comes first
            kind = _KIND_OF[number]
            if kind == _ABORTED:
                opened = block.rfind(_TRACEBACK, max(0, begin - _TRACEBACK_BYTES), begin)
                if opened >= 0:
                    text = block[opened:end]
                    tracebacks[text] = tracebacks.get(text, 0) + 1
                continue
            if kind == _RARE:
                rare.append(block.rfind(b"\n", 0, begin) + 1)
                continue
            pid = _pid_before(block, begin) if kind == _FAILED else _pid_at(block, end)
            if pid is None:
                continue
            if kind == _BOOTED:
                recent.pop(pid, None)
                continue
            if kind == _ENDED and not block.startswith(_ENDS_IN_TROUBLE, end + len(pid)):
                continue
            if kind == _TERMINATED and not block.startswith(b" was terminated", end + len(pid)):
                continue
            timed_out = recent.get(pid)
            if timed_out is None:
                part.workers += 1
                if len(recent) >= most:
                    del recent[next(iter(recent))]
            if kind == _TIMED_OUT and not timed_out:
                part.timed_out += 1
                timed_out = True
            recent[pid] = bool(timed_out)
            last = begin
            if first < 0:
                first = begin
        if first >= 0:
            part.first_at, part.last_at = self._time_at(block, first), self._time_at(block, last)
        return part, rare

    def _time_at(self, block: bytes, at: int) -> datetime | None:
        start = block.rfind(b"\n", 0, at) + 1
        stamp = parse_line_stamp(decode_line(block[start : line_end(block, at)][:4096]), newest=self._newest)
        return None if stamp is None else stamp.at


def _pid_at(block: bytes, start: int) -> bytes | None:
    found = _PID(block, start)
    return None if found is None else found[0]


def _pid_before(block: bytes, end: int) -> bytes | None:
    digits = block[max(0, end - _PID_BYTES) : end]
    return digits[len(digits.rstrip(_DIGITS)) :] or None
