"""The bytes of a log to blocks of whole lines, and blocks to events: only what surrounds tell-tale words is parsed."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator

from gtdiag.collectors.block_search import BlockSearch, search_here
from gtdiag.collectors.log_compression import ByteSource, read_fully
from gtdiag.collectors.log_lines import decode_line, line_end
from gtdiag.model.events import Event
from gtdiag.parsing.log_parser import LogParser
from gtdiag.parsing.relevance import (
    LINE_CHARACTERS,
    LOOK_BACK_CHARACTERS,
    REACH,
    SIGNAL_BYTES,
    Reach,
    find_reach,
)

BLOCK_BYTES = 1 << 20
"""Small enough to stay in a processor's cache while it is searched once per literal."""

_MOST_BYTES_PER_CHARACTER = 4
_LINE_BYTES = LINE_CHARACTERS * _MOST_BYTES_PER_CHARACTER
_RETAINED_BYTES = LOOK_BACK_CHARACTERS * _MOST_BYTES_PER_CHARACTER


_WORTH_SPLITTING_BYTES = 1 << 16
_COUNTED_BYTES = 1 << 16

_HOLE = b"\0" * 64
_ZEROS = re.compile(rb"\0{64,}")
"""What a log has where it was cut in place (copytruncate) or the machine lost power; text goes on right behind."""


def read_line_blocks(source: ByteSource, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Blocks that end with a whole line (the last one perhaps without a newline). Lines over 256 kB are cut to that."""
    carry = b""
    cutting = False
    while block := read_fully(source, block_bytes):
        if b"\0" in block and _HOLE in block:
            block = _ZEROS.sub(b"", block)
        if cutting:
            # In the middle of an over-long line: nothing of it is kept but its newline.
            newline = block.find(b"\n")
            if newline < 0:
                continue
            block, cutting = block[newline:], False
        end = block.rfind(b"\n") + 1
        if end:
            # One copy of the block, not two.
            yield b"".join((carry, memoryview(block)[:end]))
            carry = block[end:]
        else:
            carry += block
        if len(carry) > _LINE_BYTES:
            carry, cutting = carry[:_LINE_BYTES], True
    if carry:
        yield carry


def scan_blocks(blocks: Iterable[bytes], parser: LogParser, search: BlockSearch = search_here) -> Iterator[Event]:
    """The parser's events: exactly those of feeding it every line, for a fraction of the work. Does not flush.

    Where the search left out lines and counted them, a `WorkersCounted` stands for them.
    """
    scanner = _Scanner(parser)
    for block, starts, thinned, counted in search(blocks):
        if counted is not None:
            scanner.forget()
            tracebacks = counted.most_frequent_tracebacks()
            yield from parser.skip(counted.workers, counted.timed_out, counted.first_at, counted.last_at, tracebacks)
        yield from scanner.scan(block, starts, thinned=thinned)


class _Scanner:
    def __init__(self, parser: LogParser) -> None:
        self._parser = parser
        self._previous = b""
        self._first_line = 1
        """Number of the first line of the current block."""
        self._fed_line = 0
        """The last line that was handed over."""

    def scan(self, block: bytes, starts: Iterable[int], *, thinned: bool) -> Iterator[Event]:
        parser = self._parser
        fed_to = 0  # everything of the block before this position was handed over
        counted_to, counted_line = 0, self._first_line
        if self._fed_line == self._first_line - 1 and not thinned:
            events, fed_to, counted_line = self._feed_attentively(block, 0, counted_line)
            counted_to = fed_to
            yield from events
        for start in starts:
            if start < fed_to:
                continue
            end = line_end(block, start)
            reach = _reach_of(block, start, end)
            if reach is None:
                continue
            number = counted_line + _count_lines(block, counted_to, start)
            for before_number, text in self._look_back(block, start, number, reach.before):
                yield from parser.feed(text, before_number)
            yield from parser.feed(decode_line(block[start:end]), number)
            self._fed_line = number
            last = number + reach.after if thinned else None
            events, fed_to, counted_line = self._feed_attentively(block, end + 1, number + 1, last)
            counted_to = fed_to
            yield from events
        counted_to = min(counted_to, len(block))
        self._first_line = counted_line + _count_lines(block, counted_to, len(block))
        self._previous = block if len(block) >= _RETAINED_BYTES else (self._previous + block)[-_RETAINED_BYTES * 2 :]

    def forget(self) -> None:
        """No line above the next block is to be looked at any more."""
        self._previous = b""

    def _feed_attentively(
        self, block: bytes, start: int, number: int, last: int | None = None
    ) -> tuple[list[Event], int, int]:
        """Hand over the lines that the parser still wants, none after the line number `last`.

        Returns the events, and where and at which line it ended.
        """
        events: list[Event] = []
        parser = self._parser
        while number <= parser.attentive_until and start < len(block) and (last is None or number <= last):
            end = line_end(block, start)
            events += parser.feed(decode_line(block[start:end]), number)
            self._fed_line = number
            start, number = end + 1, number + 1
        return events, start, number

    def _look_back(self, block: bytes, start: int, number: int, before: int) -> list[tuple[int, str]]:
        """The lines above a line, oldest first, that were not handed over yet: at most `before`."""
        wanted = min(before, number - 1 - self._fed_line)
        found: list[tuple[int, str]] = []
        characters = 0
        text, position = block, start
        while len(found) < wanted:
            if position == 0:
                if text is not block:
                    break
                text, position = self._previous, len(self._previous)
                if not position:
                    break
            end = position - 1
            position = text.rfind(b"\n", 0, end) + 1
            line = decode_line(text[position : min(end, position + _LINE_BYTES)])
            number -= 1
            found.append((number, line))
            characters += len(line)
            if characters > LOOK_BACK_CHARACTERS + LINE_CHARACTERS:
                break
        return found[::-1]


def _count_lines(block: bytes, start: int, end: int) -> int:
    if end - start < _WORTH_SPLITTING_BYTES:
        return block.count(b"\n", start, end)
    # Lines are found by memchr, which takes two thirds of the time of bytes.count (CPython 3.11 to 3.13). Some at a
    # time: all at once, they take twice as long where the interpreter has to ask the kernel for their memory.
    read_lines = io.BytesIO(block if end - start == len(block) else block[start:end]).readlines
    count, lines = 0, read_lines(_COUNTED_BYTES)
    while lines:
        count, last, lines = count + len(lines), lines[-1], read_lines(_COUNTED_BYTES)
    return count - (not last.endswith(b"\n"))


def _reach_of(block: bytes, start: int, end: int) -> Reach | None:
    if end - start > LINE_CHARACTERS:
        # Only the head of a long line counts, and that is counted in characters.
        return find_reach(decode_line(block[start : min(end, start + _LINE_BYTES)])[:LINE_CHARACTERS])
    match = SIGNAL_BYTES.search(block, start, end)
    return None if match is None or match.lastgroup is None else REACH[match.lastgroup]
