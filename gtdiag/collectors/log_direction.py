"""Which way a log runs: oldest first or newest first; and a newest-first log's lines in the order they were written."""

from __future__ import annotations

import enum
import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from gtdiag.collectors.log_lines import decode_line
from gtdiag.parsing.line_times import parse_line_stamp
from gtdiag.parsing.relevance import LINE_CHARACTERS, find_reach
from gtdiag.parsing.timestamps import Stamp

_SAMPLE_LINES = 400
_KEPT_AROUND_LINES = 400
_FALLING_PER_RISING = 3
"""A few stamps run backwards in any log (several writers, several zones); a reversed log falls nearly always."""


_FRAME = re.compile(r'File \\*"')


class Direction(enum.Enum):
    """How the lines of a file are ordered."""

    OLDEST_FIRST = "oldest first"
    NEWEST_FIRST = "newest first"
    """Its records are in reverse, the lines within a record are not (a log viewer's export)."""
    REVERSED = "reversed"
    """Every single line is in reverse (`tac`)."""


def find_direction(head: bytes, newest: datetime | None) -> Direction:
    """Judge by the stamps in the first bytes of a log."""
    stamps: list[Stamp] = []
    lines = [decode_line(line) for line in head.split(b"\n")[:_SAMPLE_LINES]]
    for line in lines:
        stamp = parse_line_stamp(line, newest=newest)
        if stamp is not None:
            stamps.append(stamp)
    falling = sum(_is_before(later, earlier) for earlier, later in itertools.pairwise(stamps))
    rising = sum(_is_before(earlier, later) for earlier, later in itertools.pairwise(stamps))
    upside_down = _count_upside_down(lines)
    if falling == rising == 0 and upside_down > 0:
        # All within one moment: only the tracebacks tell.
        return Direction.REVERSED
    if falling == 0 or falling < _FALLING_PER_RISING * rising or not _is_before(stamps[-1], stamps[0]):
        return Direction.OLDEST_FIRST
    return Direction.REVERSED if upside_down > 0 else Direction.NEWEST_FIRST


def _is_before(one: Stamp, other: Stamp) -> bool:
    """Whether a time is certainly before another: one that is cut to the second is any moment in it."""
    return one.at + timedelta(seconds=one.resolution_s) <= other.at


def _count_upside_down(lines: list[str]) -> int:
    """How many more tracebacks stand on their heads than upright."""
    surplus = 0
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        if "(most recent call " in line:
            surplus += (_FRAME.search(before) is not None) - (_FRAME.search(after) is not None)
    return surplus


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line with its number in the file. `after_gap`: lines were left out between it and the one before."""

    number: int
    text: str
    after_gap: bool = False


def read_reversed_lines(blocks: Iterable[bytes], direction: Direction, newest: datetime | None) -> Iterator[PlacedLine]:
    """The lines that may matter of a newest-first log, oldest first.

    These lines are held in memory: a reversed log can only be read from its end.
    """
    records: list[list[tuple[int, str]]] = []
    for number, text in _keep_around_tell_tale_lines(blocks):
        goes_on = bool(records) and number == records[-1][-1][0] + 1 and direction is Direction.NEWEST_FIRST
        if goes_on and parse_line_stamp(text, newest=newest) is None:
            records[-1].append((number, text))
        else:
            records.append([(number, text)])
    above = None
    for record in reversed(records):
        gap = above is not None and record[-1][0] != above - 1
        above = record[0][0]
        for number, text in record:
            yield PlacedLine(number, text, gap)
            gap = False


def _keep_around_tell_tale_lines(blocks: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    before: deque[tuple[int, str]] = deque(maxlen=_KEPT_AROUND_LINES)
    wanted_to = 0
    number = 0
    for block in blocks:
        for raw in block.removesuffix(b"\n").split(b"\n"):
            number += 1
            line = decode_line(raw[: LINE_CHARACTERS * 4])[:LINE_CHARACTERS]
            if find_reach(line) is not None:
                yield from before
                before.clear()
                wanted_to = number + _KEPT_AROUND_LINES
            if number <= wanted_to:
                yield number, line
            else:
                before.append((number, line))
