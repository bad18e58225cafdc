"""Blocks of a log to the places of their tell-tale lines, searched here or by several processes; the order stays.

Searching is pure and the most of the work; parsing stays in one process, so the events are the same for any number.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from gtdiag.parsing.relevance import (
    COARSE_LITERALS,
    JOURNAL_LITERALS,
    JOURNAL_MARK,
    SIGNAL_BYTES,
    SIGNAL_SPAN_BYTES,
)

SEARCHED_ALONE = 16
"""Blocks (of 1 MB) before other processes are started: one takes 0.1 s to start, as long as searching these."""


class SearchedBlock(NamedTuple):
    """A block of whole lines, and where in it the tell-tale lines begin, in order."""

    block: bytes
    starts: Iterable[int]


BlockSearch = Callable[[Iterable[bytes]], Iterator[SearchedBlock]]


def search_here(blocks: Iterable[bytes]) -> Iterator[SearchedBlock]:
    """Search block by block, in this process."""
    literals: tuple[bytes, ...] | None = None
    for block in blocks:
        if literals is None:
            literals = _literals_for(block)
        yield SearchedBlock(block, find_tell_tale_lines(block, literals))


def search_with(jobs: int) -> BlockSearch:
    """A search by `jobs` processes besides this one, for logs that are worth it; `search_here` for one."""
    if jobs <= 1:
        return search_here

    def search(blocks: Iterable[bytes]) -> Iterator[SearchedBlock]:
        remaining = iter(blocks)
        first = next(remaining, None)
        if first is None:
            return
        literals = _literals_for(first)
        for block in itertools.chain((first,), itertools.islice(remaining, SEARCHED_ALONE - 1)):
            yield SearchedBlock(block, find_tell_tale_lines(block, literals))
        following = next(remaining, None)
        if following is not None:
            # Imported for large logs only.
            from gtdiag.collectors.search_processes import search_elsewhere

            yield from search_elsewhere(itertools.chain((following,), remaining), literals, jobs)

    return search


def find_tell_tale_lines(block: bytes, literals: tuple[bytes, ...]) -> list[int]:
    """Where the lines begin that hold a tell-tale word, in order."""
    starts: set[int] = set()
    for literal in literals:
        at = block.find(literal)
        while at >= 0:
            end = block.find(b"\n", at)
            end = len(block) if end < 0 else end
            # Only around the literal: a line may be long, and most that hold only the literal are access lines.
            if SIGNAL_BYTES.search(block, max(at - SIGNAL_SPAN_BYTES, 0), min(at + SIGNAL_SPAN_BYTES, end)) is not None:
                starts.add(block.rfind(b"\n", 0, at) + 1)
            at = block.find(literal, end)
    return sorted(starts)


def _literals_for(first_block: bytes) -> tuple[bytes, ...]:
    return COARSE_LITERALS + (JOURNAL_LITERALS if JOURNAL_MARK in first_block else ())
