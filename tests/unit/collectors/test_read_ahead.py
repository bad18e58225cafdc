"""What a thread reads ahead is, byte for byte, what would have been read without it."""

from __future__ import annotations

import gzip
import io
import random
import threading

import pytest

from gtdiag.collectors import read_ahead
from gtdiag.collectors.log_compression import GuardedSource, decompress
from gtdiag.collectors.read_ahead import ReadAhead


@pytest.mark.parametrize("alone_bytes", [0, 5_000, 10_000_000])
@pytest.mark.parametrize("size", [1, 700, 4096, 100_000])
def test_the_bytes_are_the_same(monkeypatch: pytest.MonkeyPatch, alone_bytes: int, size: int) -> None:
    monkeypatch.setattr(read_ahead, "_PIECE_BYTES", 4096)
    text = random.Random(1).randbytes(50_001 if size > 1 else 9_001)
    source, got = ReadAhead(GuardedSource(io.BytesIO(text)), alone_bytes), b""
    while data := source.read(size):
        assert len(data) <= size
        got += data
    assert got == text
    assert source.read(size) == b"", "the end stays the end"


def test_what_a_damaged_file_still_gives_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "_PIECE_BYTES", 4096)
    text = random.Random(1).randbytes(200_000)
    guarded = GuardedSource(decompress(io.BytesIO(gzip.compress(text)[:100_000]), "cut.gz"))
    source, got = ReadAhead(guarded, 10_000), b""
    while data := source.read(8192):
        got += data
    assert guarded.damage
    assert len(got) > 80_000 and text.startswith(got)


def test_the_thread_ends_when_nobody_reads_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "_PIECE_BYTES", 4096)
    before = set(threading.enumerate())
    source = ReadAhead(GuardedSource(io.BytesIO(bytes(1_000_000))), 0)
    assert source.read(4096)
    [thread] = set(threading.enumerate()) - before
    source.close()
    thread.join(10)
    assert not thread.is_alive()
