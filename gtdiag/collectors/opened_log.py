"""One log file, opened: its first bytes, the times in them, the way it runs; and the rest as blocks of lines."""

from __future__ import annotations

import contextlib
import itertools
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from gtdiag.collectors.log_blocks import read_line_blocks
from gtdiag.collectors.log_compression import ByteSource, GuardedSource, decompress, is_compressed, open_log, read_fully
from gtdiag.collectors.log_direction import Direction, find_direction
from gtdiag.collectors.log_lines import decode_line
from gtdiag.collectors.log_search import STANDARD_INPUT
from gtdiag.collectors.read_ahead import ReadAhead
from gtdiag.collectors.remote_files import is_url, modified_at, open_url
from gtdiag.errors import LogReadError
from gtdiag.parsing.line_times import is_gunicorn_record, parse_line_stamp
from gtdiag.parsing.timestamps import Stamp

_HEAD_BYTES = 1 << 18
_TAIL_BYTES = 1 << 16
_SAMPLE_LINES = 200
_MOST_BINARY_SHARE = 0.05
_HOLE = re.compile(rb"\0{64,}")
_BINARY = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})


@dataclass(slots=True)
class OpenedLog:
    """One file that was opened: its head was read, the rest is still to come.

    `name`: what a person calls it; `path`: what opens it, "-" for standard input. `newest`: a moment at or after its
    last line. `first`, `last`: the time stamps of its first and (once it was read) last lines.
    """

    path: str
    name: str
    rest: GuardedSource
    head: bytes
    newest: datetime
    direction: Direction = Direction.OLDEST_FIRST
    first: Stamp | None = None
    last: Stamp | None = None
    sample: bytes = b""

    def read_blocks(self, told: Callable[[int], None] | None = None) -> Iterator[bytes]:
        """The whole log in blocks of lines; remembers the last bytes, whose stamps end the period.

        `told`: is told the size (bytes) of each block.
        """
        head, self.head = self.head, b""
        ahead = ReadAhead(self.rest)
        try:
            for block in read_line_blocks(_JoinedBytes(head, ahead)):
                whole = len(block) >= _TAIL_BYTES
                self.sample = block[-_TAIL_BYTES:] if whole else (self.sample + block)[-_TAIL_BYTES:]
                if told is not None:
                    told(len(block))
                yield block
        finally:
            ahead.close()

    def note_last(self) -> None:
        """Find the last time stamp, after everything was read."""
        if self.direction is Direction.OLDEST_FIRST:
            self.last = find_stamp(reversed(self.sample.split(b"\n")), self.newest) or self.first
        else:
            self.last = self.first

    def ends_like_a_gunicorn_log(self) -> bool:
        """Whether one of its last lines is in gunicorn's own format, whatever it says."""
        return holds_gunicorn_record(self.sample)


class _JoinedBytes:
    def __init__(self, head: bytes, rest: ByteSource) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._rest.read(size)


def open_and_look(path: str, stdin: IO[bytes] | None = None) -> OpenedLog:
    """Open a log and look at its head. `path` "-" is standard input: `stdin`, or the process's own.

    Raises LogReadError for a file that is missing, not readable or not text.
    """
    newest = datetime.now(timezone.utc)
    if path == STANDARD_INPUT:
        shown = "standard input"
        source = decompress(stdin if stdin is not None else sys.stdin.buffer, shown)
    elif is_url(path):
        shown = path
        source = decompress(open_url(path), path)
        newest = modified_at(path) or newest
    else:
        shown = path
        source = open_log(Path(path))
        with contextlib.suppress(OSError, OverflowError, ValueError):
            newest = datetime.fromtimestamp(Path(path).stat().st_mtime, tz=timezone.utc)
    guarded = GuardedSource(source)
    head = read_fully(guarded, _HEAD_BYTES)
    if guarded.damage and not head:
        raise LogReadError(
            f"cannot read {shown}: {guarded.damage}", "is the file complete? try to decompress it by hand"
        )
    if _is_binary(head):
        raise LogReadError(
            f"{shown} is not a text log", "a log file is expected, or one compressed with gzip, bzip2, xz or zstd"
        )
    log = OpenedLog(path, shown, guarded, head, newest)
    log.first = find_stamp(head.split(b"\n"), newest)
    log.direction = find_direction(head, newest)
    return log


def _is_binary(head: bytes) -> bool:
    # A log that was cut in place (copytruncate) begins with a hole of zero bytes; a power failure leaves one in it.
    text = _HOLE.sub(b"", head)
    return bool(text) and (len(text) - len(text.translate(None, _BINARY))) > len(text) * _MOST_BINARY_SHARE


def find_stamp(lines: Iterator[bytes] | Sequence[bytes], newest: datetime) -> Stamp | None:
    """The first time stamp in the first of these lines."""
    for line in itertools.islice(lines, _SAMPLE_LINES):
        stamp = parse_line_stamp(decode_line(line[:4096]), newest=newest)
        if stamp is not None:
            return stamp
    return None


def holds_gunicorn_record(sample: bytes) -> bool:
    """Whether one of the first of these lines is in gunicorn's own format, whatever it says."""
    return any(is_gunicorn_record(decode_line(line[:4096])) for line in sample.split(b"\n")[:_SAMPLE_LINES])


def find_end_of_file(path: str, newest: datetime, *, whole: bool = False) -> datetime | None:
    """The time in the last lines of a file, read from its end; of a compressed one only if `whole` says to read it."""
    try:
        if not is_compressed(Path(path)):
            with Path(path).open("rb") as raw:
                raw.seek(max(0, raw.seek(0, 2) - _TAIL_BYTES))
                sample = raw.read(_TAIL_BYTES)
        elif not whole:
            return None
        else:
            sample, guarded = b"", GuardedSource(open_log(Path(path)))
            while block := read_fully(guarded, 1 << 20):
                sample = (sample + block)[-_TAIL_BYTES:]
    except (OSError, LogReadError):
        return None
    stamp = find_stamp(reversed(sample.split(b"\n")), newest)
    return None if stamp is None else stamp.at
