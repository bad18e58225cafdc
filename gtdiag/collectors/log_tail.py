"""A growing log file, or standard input, to its lines as they arrive; never waits for more.

Follows rotation by renaming (the rest of the old file first), truncation and copytruncate (from the start again), and a
file that vanishes and comes back.
"""

from __future__ import annotations

import os
import select
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from gtdiag.collectors.file_changes import FileChanges

from gtdiag.foreign_files import open_foreign, stat_foreign

READ_BACK_BYTES = 256 * 1024
"""How much of the end is read at the start: some 2,500 lines, enough for the boot lines of a big server's workers."""

LONGEST_LINE_BYTES = 64 * 1024
"""What is kept of a longer line; the rest of it is skipped."""

CHUNK_BYTES = 256 * 1024
POLL_BYTES = 4 * 1024 * 1024
"""How much is read at most in one poll, so that a flood of lines does not hold up the heartbeats."""

LAST_POLLS = 4
"""How much is read at most at the end, in polls: the lines of 16 MB take some 60 MB of memory."""

MOST_BEHIND_BYTES = 64 * 1024 * 1024
"""A log that grows faster than it is read (some 20 MB a second) for so long is gone on with at its end: what happens
now must not be heard of minutes later."""

MOST_UNTOLD = 3
"""A file on a network file system changes without a word when another host writes it. A line between the last poll and
the beginning of the listening is as unexpected, but not so often."""


@dataclass(frozen=True, slots=True)
class TailLine:
    """One line without its end. `number` counts from the first line that was read; `old`: it was there at the start."""

    text: str
    number: int
    old: bool = False


class LineSplitter:
    """Bytes to lines: a part of a line is held until its end comes, a huge line is cut."""

    def __init__(self, *, in_a_line: bool = False) -> None:
        self._held = b""
        self._skipping = in_a_line
        self.count = 0

    def split(self, data: bytes) -> list[str]:
        """Take more bytes and give the lines they complete."""
        lines = []
        parts = data.split(b"\n")
        for part in parts[:-1]:
            line = self._held + part
            self._held = b""
            if self._skipping:
                self._skipping = False
                continue
            lines.append(_decoded(line[:LONGEST_LINE_BYTES]))
        if not self._skipping:
            self._held += parts[-1]
            if len(self._held) > LONGEST_LINE_BYTES:
                lines.append(_decoded(self._held[:LONGEST_LINE_BYTES]))
                self._held, self._skipping = b"", True
        return lines

    def rest(self) -> list[str]:
        """The last line, which has no end; and begin anew."""
        lines = [_decoded(self._held)] if self._held and not self._skipping else []
        self._held, self._skipping = b"", False
        return lines


class FileTail:
    """Tails one path. `vanished` is True while there is no readable file by that name."""

    def __init__(self, path: Path, *, read_back_bytes: int = READ_BACK_BYTES) -> None:
        self.path = path
        self._name = os.fspath(path)
        self.vanished = False
        self.why_vanished = ""
        self.left_out_bytes = 0
        """Of a log that grew faster than it was read."""
        self._read_back_bytes = read_back_bytes
        self._file: BinaryIO | None = None
        self._identity: tuple[int, int] | None = None
        self._position = 0
        self._splitter = LineSplitter()
        self._number = 0
        self._first_poll = True
        self._changes: FileChanges | None = None
        self._untold = 0
        """How often lines had come that the kernel had not told of."""

    def poll(self) -> list[TailLine]:
        """Give what has arrived since the poll before; at the first one, the last lines of the file, marked `old`."""
        told = self._changes is not None and self._changes.take()
        if self._has_nothing_new():
            return []
        lines = self._poll()
        if lines and self._changes is not None and not (told or self._changes.take()):
            self._untold += 1
        return lines

    def news(self) -> int | None:
        """A descriptor that can be read as soon as the file has changed; None where only a poll tells.

        To be asked for before each wait: it is another one, or none, when the file is.
        """
        if self._file is None or self.vanished or self._untold > MOST_UNTOLD:
            return None
        if self._changes is None:
            from gtdiag.collectors.file_changes import FileChanges

            self._changes = FileChanges()
        return self._changes.follow(self._file.fileno())

    def _poll(self) -> list[TailLine]:
        lines: list[TailLine] = []
        first, self._first_poll = self._first_poll, False
        if self._file is None:
            self._open(at_end=first)
        if self._file is not None:
            lines += self._read(old=first)
        if not first:
            lines += self._follow()
        return lines

    def close(self) -> list[TailLine]:
        """Stop; give what is still there, within bounds, and a last line that has no end yet."""
        lines: list[TailLine] = []
        if self._file is not None:
            for _ in range(LAST_POLLS):
                more = self._read(old=False)
                lines += more
                if not more or self._file is None:
                    break
            else:
                self._leave_out(keep_bytes=0)
        self._close()
        if self._changes is not None:
            self._changes.close()
        return lines + self._numbered(self._splitter.rest(), old=False)

    def _has_nothing_new(self) -> bool:
        """Whether the file of that name is the one being read, to its end: nearly always so, five times a second."""
        if self._file is None or self._first_poll:
            return False
        try:
            stat = os.stat(self._name)  # noqa: PTH116
        except OSError:
            return False
        if stat.st_size != self._position or (stat.st_dev, stat.st_ino) != self._identity:
            return False
        self.vanished = False
        return True

    def _follow(self) -> list[TailLine]:
        """See whether the name means another file by now, and go on with that one."""
        try:
            stat = stat_foreign(self.path)
        except OSError as error:
            self._vanish(error.strerror or str(error))
            # The writer may still hold the old file open, so go on reading it.
            return []
        if self._file is not None and (stat.st_dev, stat.st_ino) == self._identity:
            self.vanished = False
            return []
        lines = self._read(old=False) if self._file is not None else []
        lines += self._numbered(self._splitter.rest(), old=False)
        self._close()
        self._open(at_end=False)
        if self._file is not None:
            lines += self._read(old=False)
        return lines

    def _open(self, *, at_end: bool) -> None:
        try:
            file = open_foreign(self.path)
        except OSError as error:
            self._vanish(error.strerror or str(error))
            return
        stat = os.fstat(file.fileno())
        self._file, self._identity = file, (stat.st_dev, stat.st_ino)
        self._position = 0
        self.vanished = False
        if at_end and stat.st_size > self._read_back_bytes:
            self._position = stat.st_size - self._read_back_bytes
            file.seek(self._position)
            # The first line is most likely cut.
            cut = file.read(LONGEST_LINE_BYTES)
            self._position += cut.find(b"\n") + 1 if b"\n" in cut else len(cut)

    def _read(self, *, old: bool) -> list[TailLine]:
        assert self._file is not None
        lines: list[TailLine] = []
        try:
            size = os.fstat(self._file.fileno()).st_size
            if size < self._position:
                # Truncated in place (also by copytruncate): what comes now starts at the beginning.
                lines += self._numbered(self._splitter.rest(), old=old)
                self._position = 0
            budget = POLL_BYTES
            while budget > 0 and self._position < size:
                data = os.pread(self._file.fileno(), min(CHUNK_BYTES, size - self._position), self._position)
                if not data:
                    break
                self._position += len(data)
                budget -= len(data)
                lines += self._numbered(self._splitter.split(data), old=old)
            if size - self._position > MOST_BEHIND_BYTES:
                self._leave_out(keep_bytes=POLL_BYTES)
        except OSError as error:
            self._vanish(error.strerror or str(error))
            self._close()
        return lines

    def _leave_out(self, *, keep_bytes: int) -> None:
        """Go on near the end of the file, at the beginning of a line."""
        assert self._file is not None
        at = os.fstat(self._file.fileno()).st_size - keep_bytes
        if at > self._position:
            self.left_out_bytes += at - self._position
            self._position = at
            self._splitter = LineSplitter(in_a_line=True)

    def _numbered(self, texts: list[str], *, old: bool) -> list[TailLine]:
        numbered = []
        for text in texts:
            self._number += 1
            numbered.append(TailLine(text, self._number, old))
        return numbered

    def _vanish(self, why: str) -> None:
        self.vanished, self.why_vanished = True, why

    def _close(self) -> None:
        if self._changes is not None:
            self._changes.leave()
        if self._file is not None:
            self._file.close()
        self._file = self._identity = None


class PipeTail:
    """Reads what another program pipes in (`kubectl logs -f ... | gtdiag watch PID --log -`). `ended` after its end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._splitter = LineSplitter()
        self._number = 0
        self.ended = False
        self.vanished = False
        self.why_vanished = ""
        self.left_out_bytes = 0
        """Always: who writes into a pipe waits for its reader."""

    def poll(self) -> list[TailLine]:
        """Give the lines that are there; never waits."""
        texts: list[str] = []
        budget = POLL_BYTES
        while budget > 0 and not self.ended:
            try:
                if not select.select([self._descriptor], [], [], 0)[0]:
                    break
                data = os.read(self._descriptor, CHUNK_BYTES)
            except BlockingIOError:
                break
            except (OSError, ValueError):
                data = b""
            if not data:
                self.ended = True
                texts += self._splitter.rest()
                break
            budget -= len(data)
            texts += self._splitter.split(data)
        return self._numbered(texts)

    def news(self) -> int | None:
        """What can be read when there is something to poll; None after the end."""
        return None if self.ended else self._descriptor

    def close(self) -> list[TailLine]:
        """Give a last line that has no end."""
        return self._numbered(self._splitter.rest())

    def _numbered(self, texts: list[str]) -> list[TailLine]:
        numbered = []
        for text in texts:
            self._number += 1
            numbered.append(TailLine(text, self._number))
        return numbered


def _decoded(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "backslashreplace")
