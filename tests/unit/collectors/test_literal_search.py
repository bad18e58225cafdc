"""The search in one pass (ahocorasick_rs) and the one that needs nothing installed find the same lines."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gtdiag.collectors import block_search
from gtdiag.collectors.literal_search import search_in_one_pass, search_lines_for, search_one_by_one
from gtdiag.collectors.log_blocks import read_line_blocks
from gtdiag.collectors.log_compression import open_log
from gtdiag.parsing.relevance import COARSE_LITERALS, JOURNAL_LITERALS, SIGNAL_BYTES

LOG_FILES = sorted((Path(__file__).resolve().parents[3] / "fixtures" / "logs").glob("*/log*"))
LITERALS = COARSE_LITERALS + JOURNAL_LITERALS
in_one_pass = search_lines_for(LITERALS)  # the development group has what it takes
one_by_one = search_one_by_one(LITERALS)

# Whole literals, pieces of them that overlap the next one, and line ends of every kind.
pieces = st.one_of(
    st.sampled_from(LITERALS),
    st.tuples(st.sampled_from(LITERALS), st.integers(1, 20)).map(lambda cut: cut[0][: cut[1]]),
    st.tuples(st.sampled_from(LITERALS), st.integers(1, 20)).map(lambda cut: cut[0][cut[1] :]),
    st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\0", b"x" * 70_000, b"(pid:" * 300]),
    st.binary(max_size=20),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(pieces, max_size=60).map(b"".join))
@example(b"")
@example(b"\n")
@example(b"Handling signal: with pid")
@example(b"(pid:(pid:\n(pid:")
def test_any_bytes(block: bytes) -> None:
    found = in_one_pass(block)
    assert found == one_by_one(block)
    expected, start = [], 0
    for line in block.split(b"\n"):
        if any(literal in line for literal in LITERALS):
            expected.append(start)
        start += len(line) + 1
    assert found == expected


@pytest.mark.parametrize("path", LOG_FILES, ids=lambda path: f"{path.parent.name}")
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_every_tell_tale_line_of_the_fixtures(path: Path, line_end: bytes) -> None:
    for block_bytes in (4096, 1 << 20):
        for block in read_line_blocks(open_log(path), block_bytes):
            block = block.replace(b"\n", line_end)
            found = in_one_pass(block)
            assert found == one_by_one(block)
            telling = {block.rfind(b"\n", 0, match.start()) + 1 for match in SIGNAL_BYTES.finditer(block)}
            assert telling <= set(found)


def test_one_pass_is_what_is_compared_here() -> None:
    assert search_in_one_pass(LITERALS) is not None


def test_without_the_library_the_standard_one_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ahocorasick_rs", None)
    assert search_in_one_pass(LITERALS) is None
    assert search_lines_for(LITERALS)(b"x\n (pid:7)\n") == [2]
    assert block_search.search_with(2) is not block_search.search_here
    assert block_search.search_with(1) is block_search.search_here
