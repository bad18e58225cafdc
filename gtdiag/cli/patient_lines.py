"""Lines to a reader that may be slow, or stop reading: what it does not take in time is left out, and it is told so."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable

MOST_WAITING_BYTES = 8 * 1024 * 1024
"""About a quarter of an hour of 32 busy workers."""
LAST_WORDS_S = 3.0
"""How long a reader has, at the end, to take what waits for it."""


class PatientLines:
    """Writes lines to a descriptor from a thread of its own: whoever gives it a line never waits.

    When `most_bytes` wait, new lines are left out until there is room again; then the reader gets the line that
    `say_dropped` makes of their number. `write` raises BrokenPipeError once the reader has gone away.
    """

    def __init__(
        self,
        descriptor: int,
        say_dropped: Callable[[int], str],
        *,
        most_bytes: int = MOST_WAITING_BYTES,
        last_words_s: float = LAST_WORDS_S,
    ) -> None:
        # A descriptor of its own: whatever else is written to the same stream has its buffer and lock to itself.
        self._descriptor = os.dup(descriptor)
        self._say_dropped = say_dropped
        self._most_bytes = most_bytes
        self._last_words_s = last_words_s
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._changed = threading.Condition()
        self._ending = self._gone = self._done = False
        self._thread = threading.Thread(target=self._run, name="gtdiag-lines", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Take a line, its end included. Raises BrokenPipeError when nobody reads any more."""
        data = line.encode("utf-8", "backslashreplace")
        with self._changed:
            if self._gone:
                raise BrokenPipeError
            if self._waiting_bytes + len(data) > self._most_bytes:
                self._dropped += 1
                return
            if self._dropped:
                self._add(self._say_dropped(self._dropped).encode())
                self._dropped = 0
            self._add(data)
            self._changed.notify_all()

    def close(self) -> int:
        """Let the reader have the rest for as long as it takes some; returns how many lines it never got."""
        with self._changed:
            self._ending = True
            if self._dropped and not self._gone:
                self._add(self._say_dropped(self._dropped).encode())
                self._dropped = 0
            self._changed.notify_all()
            while not self._done and self._changed.wait(self._last_words_s):
                pass  # each line that was taken wakes this up
            return len(self._waiting)

    def _add(self, data: bytes) -> None:
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    while not self._waiting and not self._ending:
                        self._changed.wait()
                    if not self._waiting:
                        return
                    data = self._waiting[0]
                self._give(data)
                with self._changed:
                    self._waiting.popleft()
                    self._waiting_bytes -= len(data)
                    self._changed.notify_all()
        except OSError:  # a closed pipe, a closed descriptor
            with self._changed:
                self._gone = True
                self._waiting.clear()
        finally:
            with self._changed:
                self._done = True
                self._changed.notify_all()
            os.close(self._descriptor)

    def _give(self, data: bytes) -> None:
        """One line, whole, however small the pieces are that the reader takes."""
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # the other end of the stream was made non-blocking, which is shared with us
                select.select([], [self._descriptor], [])
