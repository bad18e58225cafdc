"""How far long work is, in one line on standard error that is written over itself; nothing where nobody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from gtdiag.cli.terminal import can_draw

FIRST_AFTER_S = 1.0
"""What is done sooner needs no line."""

BETWEEN_S = 0.2
_ERASE = "\r\x1b[K"


class ProgressLine:
    """Writes what it is told, not at once and not too often, and takes it away in the end."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._next_at = clock() + FIRST_AFTER_S
        self._drawn = False

    def say(self, words: Callable[[], str]) -> None:
        """Write the words, unless the last ones were written a moment ago."""
        if self._clock() < self._next_at:
            return
        self._write(f"{_ERASE}{words()}")
        self._drawn = True
        self._next_at = self._clock() + BETWEEN_S

    def take_away(self) -> None:
        """Leave the terminal as if nothing had been said."""
        if self._drawn:
            self._write(_ERASE)
            self._drawn = False

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal is gone: the work goes on
            self._next_at = float("inf")


@contextmanager
def progress_line() -> Iterator[ProgressLine | None]:
    """A line on standard error while work is done; None where standard error is no terminal."""
    if not can_draw(sys.stderr):
        yield None
        return
    line = ProgressLine(sys.stderr)
    try:
        yield line
    finally:
        line.take_away()


def count_bytes(line: ProgressLine, total_bytes: int | None) -> Callable[[int], None]:
    """What is to be told of each block of bytes that was read. `total_bytes`: of all, where it is known."""
    done = 0

    def add(size_bytes: int) -> None:
        nonlocal done
        done += size_bytes
        line.say(lambda: _words(done, total_bytes))

    return add


def _words(done_bytes: int, total_bytes: int | None) -> str:
    if total_bytes is None or done_bytes > total_bytes:  # it is compressed, or still grows
        return f"read {done_bytes / 1e6:,.0f} MB"
    return f"read {done_bytes / 1e6:,.0f} of {total_bytes / 1e6:,.0f} MB ({100 * done_bytes // max(total_bytes, 1)} %)"
