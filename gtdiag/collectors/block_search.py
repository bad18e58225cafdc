"""Blocks of a log to the places of their tell-tale lines, searched here or by several processes; the order stays.

Searching is pure and the most of the work; parsing stays in one process, so the events are the same for any number.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gtdiag.collectors.literal_search import LineSearch, search_in_one_pass, search_lines_for, search_one_by_one
from gtdiag.parsing.relevance import COARSE_LITERALS, JOURNAL_LITERALS, JOURNAL_MARK

if TYPE_CHECKING:
    from gtdiag.collectors.crowd_count import CountedPart

SEARCHED_ALONE = 16
"""Blocks (of 1 MB) before other processes are started: one takes 0.1 s to start, as long as searching these."""


class SearchedBlock(NamedTuple):
    """A block of whole lines, and where in it the lines begin that may be tell-tale, in order.

    `thinned`: lines that are tell-tale were left out of it, so that what the parser waits for is not in it. `counted`:
    what was left out of the blocks before it, and counted.
    """

    block: bytes
    starts: Iterable[int]
    thinned: bool = False
    counted: CountedPart | None = None


BlockSearch = Callable[[Iterable[bytes]], Iterator[SearchedBlock]]


@dataclass(frozen=True, slots=True)
class _WhenAsked:
    """The places, searched for when somebody asks: of a block that is only counted nobody does."""

    search: LineSearch
    block: bytes

    def __iter__(self) -> Iterator[int]:
        return iter(self.search(self.block))


def search_here(blocks: Iterable[bytes]) -> Iterator[SearchedBlock]:
    """Search block by block, in this process."""
    remaining = iter(blocks)
    first = next(remaining, None)
    if first is None:
        return
    search = search_lines_for(_literals_for(first))
    for block in itertools.chain((first,), remaining):
        yield SearchedBlock(block, _WhenAsked(search, block))


def search_with(jobs: int) -> BlockSearch:
    """The fastest search there is: where it takes the standard library, by `jobs` processes besides this one."""
    # In one pass a block is searched before it could be sent to another process.
    if jobs <= 1 or search_in_one_pass(COARSE_LITERALS) is not None:
        return search_here
    return search_by_processes(jobs)


def search_by_processes(jobs: int) -> BlockSearch:
    """A search by processes besides this one, for logs that are worth it."""

    def search(blocks: Iterable[bytes]) -> Iterator[SearchedBlock]:
        remaining = iter(blocks)
        first = next(remaining, None)
        if first is None:
            return
        literals = _literals_for(first)
        search_block = search_one_by_one(literals)
        for block in itertools.chain((first,), itertools.islice(remaining, SEARCHED_ALONE - 1)):
            yield SearchedBlock(block, search_block(block))
        following = next(remaining, None)
        if following is not None:
            # Imported for large logs only.
            from gtdiag.collectors.search_processes import search_elsewhere

            yield from search_elsewhere(itertools.chain((following,), remaining), literals, jobs)

    return search


def _literals_for(first_block: bytes) -> tuple[bytes, ...]:
    return COARSE_LITERALS + (JOURNAL_LITERALS if JOURNAL_MARK in first_block else ())
