"""A block of a log to the beginnings of its lines that hold one of a set of literals.

With `ahocorasick_rs` (`pip install 'gtdiag[fast]'`) all literals are found in one pass with vector instructions;
without it, each is one pass of `bytes.find`. Both give the same places, which a test compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

LineSearch = Callable[[bytes], list[int]]
"""Where the lines begin that hold a literal, in order, each once."""

PlaceSearch = Callable[[bytes], Iterable[tuple[int, int, int]]]
"""Which literal, and where it begins and ends, in the order of the block; of overlapping ones the first."""


def search_lines_for(literals: tuple[bytes, ...]) -> LineSearch:
    """The fastest search for these literals that is installed. No literal may hold a newline."""
    return search_in_one_pass(literals) or search_one_by_one(literals)


def search_in_one_pass(literals: tuple[bytes, ...]) -> LineSearch | None:
    """With ahocorasick_rs; None where it is not installed."""
    try:
        from ahocorasick_rs import BytesAhoCorasick, MatchKind
    except ImportError:
        return None
    # Only leftmost matching uses the packed SIMD search (3.7 times as fast here as the automaton). It leaves out what
    # overlaps another match; that one is in the same line.
    find_all = BytesAhoCorasick(literals, matchkind=MatchKind.LeftmostFirst).find_matches_as_indexes

    def search(block: bytes) -> list[int]:
        return list(_lines_at((match[1] for match in find_all(block)), block))

    return search


def search_one_by_one(literals: tuple[bytes, ...]) -> LineSearch:
    """With the standard library alone."""

    def search(block: bytes) -> list[int]:
        starts: set[int] = set()
        for literal in literals:
            at = block.find(literal)
            while at >= 0:
                starts.add(block.rfind(b"\n", 0, at) + 1)
                end = block.find(b"\n", at)
                at = block.find(literal, end) if end >= 0 else -1
        return sorted(starts)

    return search


def search_places_of(literals: tuple[bytes, ...]) -> PlaceSearch:
    """The fastest search for every place of these literals. None may begin with another one, nor hold a newline."""
    try:
        from ahocorasick_rs import BytesAhoCorasick, MatchKind
    except ImportError:
        return search_places_one_by_one(literals)
    search: PlaceSearch = BytesAhoCorasick(literals, matchkind=MatchKind.LeftmostFirst).find_matches_as_indexes
    return search


def search_places_one_by_one(literals: tuple[bytes, ...]) -> PlaceSearch:
    """The same with the standard library alone."""

    def search(block: bytes) -> list[tuple[int, int, int]]:
        places = []
        for number, literal in enumerate(literals):
            at = block.find(literal)
            while at >= 0:
                places.append((at, number))
                at = block.find(literal, at + len(literal))
        found: list[tuple[int, int, int]] = []
        for at, number in sorted(places):
            if not found or at >= found[-1][2]:
                found.append((number, at, at + len(literals[number])))
        return found

    return search


def _lines_at(places: Iterable[int], block: bytes) -> Iterator[int]:
    """The beginnings of the lines of ascending places."""
    end = -1
    for at in places:
        if at > end:
            yield block.rfind(b"\n", 0, at) + 1
            end = block.find(b"\n", at)
            if end < 0:
                return
