"""A log with more troubled workers than a report can hold: between the first and the latest they are counted.

A report holds the first and the latest some thousands of them (`analysis.population`). Of a log that tells of a hundred
thousand, the part in between would be parsed to be forgotten; its lines are counted instead, at fifty times the speed.
What is rare in it, the lives of masters and the kernel's records, is parsed all the same.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from gtdiag.collectors.block_search import BlockSearch, SearchedBlock
from gtdiag.collectors.log_lines import decode_line, line_end
from gtdiag.parsing.line_times import parse_line_stamp

FIRST_WORKERS = 2_500
"""So many troubled workers are parsed in any case; a report keeps the first 2,000 of a crowd."""
LATEST_BYTES = 4 << 20
"""The end of the log that is parsed in any case."""
LATEST_WORKERS = 1_500
"""So many troubled workers lie behind whatever is only counted; a report keeps the latest 1,000 in any case."""

_MOST_REMEMBERED = 1024
"""Workers whose trouble was told of a moment ago: a time-out and the kill after it are one worker's."""

_LINE = re.compile(
    rb"WORKER TIMEOUT \(pid:(?P<timed_out>[0-9]+)"
    rb"|Booting worker with pid: (?P<booted>[0-9]+)"
    rb"|Worker \(pid:(?P<killed>[0-9]+)\) was sent "
    rb"|Worker \(pid:(?P<exited>[0-9]+)\) exited with code [1-9]"
    rb"|Worker with pid (?P<terminated>[0-9]+) was terminated"
    rb"|\[(?P<failed>[0-9]+)\] \[ERROR\] Exception in worker process"
    rb"|(?P<rare>Starting gunicorn|Handling signal: |Shutting down: Master|HaltServer: "
    rb"|Killed process |oom-kill:constraint)"
)


@dataclass(slots=True)
class CountedPart:
    """A part of a log that was counted: its troubled workers, and the times of the first and the last line of them."""

    workers: int = 0
    timed_out: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None

    def add(self, other: CountedPart) -> None:
        """Take in the part that follows."""
        self.workers += other.workers
        self.timed_out += other.timed_out
        self.first_at = self.first_at or other.first_at
        self.last_at = other.last_at or self.last_at


class Crowd:
    """Decides, block by block, what is parsed. `newest`: as in `LogParser`."""

    def __init__(self, newest: datetime | None = None) -> None:
        self._newest = newest
        self._recent: dict[bytes, None] = {}
        self._workers = 0

    def thin(self, search: BlockSearch) -> BlockSearch:
        """The same search; of blocks that are only counted it gives the rare lines, and their count with the next."""

        def searched(blocks: Iterable[bytes]) -> Iterator[SearchedBlock]:
            return self._thin(search(blocks))

        return searched

    def _thin(self, blocks: Iterator[SearchedBlock]) -> Iterator[SearchedBlock]:
        for block in blocks:
            listed = SearchedBlock(block.block, list(block.starts))
            self._workers += self._count(listed)[0].workers
            yield listed
            if self._workers >= FIRST_WORKERS:
                break
        counted: CountedPart | None = None
        held: deque[tuple[SearchedBlock, CountedPart, list[int]]] = deque()
        held_bytes = held_workers = 0
        for block in blocks:
            listed = SearchedBlock(block.block, list(block.starts))
            held.append((listed, *self._count(listed)))
            held_bytes += len(listed.block)
            held_workers += held[-1][1].workers
            while held_bytes > LATEST_BYTES:
                oldest, part, rare = held.popleft()
                held_bytes -= len(oldest.block)
                held_workers -= part.workers
                if held_workers >= LATEST_WORKERS:
                    counted = counted or CountedPart()
                    counted.add(part)
                    yield SearchedBlock(oldest.block, rare, thinned=True)
                else:
                    yield SearchedBlock(oldest.block, oldest.starts, counted=counted)
                    counted = None
        for oldest, _, _ in held:
            yield SearchedBlock(oldest.block, oldest.starts, counted=counted)
            counted = None

    def _count(self, searched: SearchedBlock) -> tuple[CountedPart, list[int]]:
        """What a block tells of, and where its rare lines begin."""
        part, rare, recent = CountedPart(), [], self._recent
        block, find_kind = searched.block, _LINE.search
        first = last = -1
        for start in searched.starts:
            found = find_kind(block, start, line_end(block, start))
            if found is None:
                continue
            kind = found.lastgroup
            if kind == "rare":
                rare.append(start)
                continue
            pid = found[found.lastindex or 0]
            if kind == "booted":
                recent.pop(pid, None)
                continue
            if pid not in recent:
                part.workers += 1
                recent[pid] = None
                if len(recent) > _MOST_REMEMBERED:
                    del recent[next(iter(recent))]
            part.timed_out += kind == "timed_out"
            first, last = (start if first < 0 else first), start
        if first >= 0:
            part.first_at, part.last_at = self._time_at(block, first), self._time_at(block, last)
        return part, rare

    def _time_at(self, block: bytes, start: int) -> datetime | None:
        stamp = parse_line_stamp(decode_line(block[start : line_end(block, start)][:4096]), newest=self._newest)
        return None if stamp is None else stamp.at
