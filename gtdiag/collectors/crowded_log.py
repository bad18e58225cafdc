"""A log with more troubled workers than a report can hold: between the first and the latest they are counted.

A report holds the first and the latest some thousands of them (`analysis.population`). Of a log that tells of a hundred
thousand, the part in between would be parsed to be forgotten; its lines are counted instead (`crowd_count`). What is
rare in it, the lives of masters and the kernel's records, is parsed all the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime

from gtdiag.collectors.block_search import BlockSearch, SearchedBlock
from gtdiag.collectors.crowd_count import CountedPart, CrowdCounter

FIRST_WORKERS = 1_500
"""So many troubled workers are parsed in any case."""
LATEST_WORKERS = 1_500
"""So many troubled workers lie behind whatever is only counted."""
MOST_HELD_BYTES = 32 << 20
"""Where there are fewer in so much of the log, they are far apart, and all are parsed."""

_DENSE_WORKERS = 30
"""Of a block (1 MB): from here on it is faster to search it for them alone than to look at its tell-tale lines."""


class Crowd:
    """Decides, block by block, what is parsed. `newest`: as in `LogParser`."""

    def __init__(self, newest: datetime | None = None) -> None:
        self._counter = CrowdCounter(newest)
        self._dense = False

    def thin(self, search: BlockSearch) -> BlockSearch:
        """The same search; of blocks that are only counted it gives the rare lines, and their count with the next."""

        def searched(blocks: Iterable[bytes]) -> Iterator[SearchedBlock]:
            return self._thin(search(blocks))

        return searched

    def _thin(self, blocks: Iterator[SearchedBlock]) -> Iterator[SearchedBlock]:
        workers = 0
        for block in blocks:
            counted_block, part, _ = self._count(block)
            workers += part.workers
            yield counted_block
            if workers >= FIRST_WORKERS:
                break
        counted: CountedPart | None = None
        held: deque[tuple[SearchedBlock, CountedPart, list[int]]] = deque()
        held_bytes = held_workers = 0
        for block in blocks:
            held.append(self._count(block))
            held_bytes += len(block.block)
            held_workers += held[-1][1].workers
            while held_workers - held[0][1].workers >= LATEST_WORKERS or held_bytes > MOST_HELD_BYTES:
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

    def _count(self, block: SearchedBlock) -> tuple[SearchedBlock, CountedPart, list[int]]:
        """The block, what it tells of, and where its rare lines begin."""
        if self._dense:
            part, rare = self._counter.count(block.block)
        else:
            block = SearchedBlock(block.block, list(block.starts))
            part, rare = self._counter.count(block.block, block.starts)
        self._dense = part.workers >= _DENSE_WORKERS
        return block, part, rare
