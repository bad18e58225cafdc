"""A compressed recording is as safe as a plain one: whatever is cut off, all that was written before can be read."""

from __future__ import annotations

import builtins
import bz2
import gzip
import importlib.util
import lzma
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtdiag.errors import RecordingError
from gtdiag.model.events import CollectionGap, Event, ObservationEnded, WorkerBooted
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.recording import compression
from gtdiag.recording.compression import DamagedError, iterate_lines, open_plain
from gtdiag.recording.reader import is_recording, read_recording
from gtdiag.recording.writer import RecordingWriter

ENDINGS = [".jsonl", ".jsonl.gz", ".jsonl.zst"]
AT = datetime(2026, 11, 24, 3, 0, tzinfo=timezone.utc)


def booted(pid: int) -> WorkerBooted:
    return WorkerBooted(origin=Origin("process"), at=AT, worker=WorkerId(pid, started_at_s=1.5))


WHOLE: list[Event] = [*(booted(pid) for pid in range(2, 300)), ObservationEnded(origin=Origin("master"), at=AT)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_comes_back_whole_and_smaller(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    with RecordingWriter(str(path), {}) as writer:
        for event in WHOLE:
            writer.write(event)
    assert path.stat().st_mode & 0o777 == 0o600
    assert is_recording(str(path))
    assert list(read_recording(str(path))) == WHOLE
    if ending != ".jsonl":
        assert path.stat().st_size < 20 * len(WHOLE), "a line of 130 bytes costs at most 20"


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_written_can_be_read_before_it_is_finished(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    writer = RecordingWriter(str(path), {})
    for count, event in enumerate(WHOLE[:20], start=1):
        writer.write(event)
        seen = list(read_recording(str(path)))
        assert seen[:-1] == WHOLE[:count], "as after a SIGKILL at this moment"
        assert isinstance(seen[-1], CollectionGap)
    writer.close()


@pytest.mark.parametrize("ending", ENDINGS)
def test_wherever_it_is_cut_only_the_last_line_is_lost(ending: str, tmp_path: Path) -> None:
    path, cut = tmp_path / f"a{ending}", tmp_path / f"cut{ending}"
    sizes = []
    with RecordingWriter(str(path), {}) as writer:
        for event in WHOLE:
            writer.write(event)
            sizes.append(path.stat().st_size)
    whole = path.read_bytes()

    @settings(max_examples=60, deadline=None)
    @given(st.integers(sizes[0], len(whole) - 1))
    def check(size: int) -> None:
        cut.write_bytes(whole[:size])
        seen = list(read_recording(str(cut)))
        lines = sum(written <= size for written in sizes)
        if seen != WHOLE:  # of the last line, everything may be there but the end of the flush
            gap = seen.pop()
            assert isinstance(gap, CollectionGap)
            assert gap.what == "recording"
        assert len(seen) >= lines
        assert seen == WHOLE[: len(seen)]

    check()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_a_recording_that_was_compressed_later_is_read_too(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with RecordingWriter(str(path), {}) as writer:
        for event in WHOLE:
            writer.write(event)
    packed = tmp_path / "packed"
    packed.write_bytes(pack(path.read_bytes()))
    assert is_recording(str(packed))
    assert list(read_recording(str(packed))) == WHOLE


@pytest.mark.parametrize("ending", [".jsonl.gz", ".jsonl.zst"])
def test_bytes_that_were_exchanged_are_damage_and_not_an_end(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    with RecordingWriter(str(path), {}) as writer:
        for event in WHOLE:
            writer.write(event)
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 40] = b"\xff" * 40
    path.write_bytes(whole)
    with pytest.raises(RecordingError, match="damaged"):
        list(read_recording(str(path)))


def test_a_full_disk_leaves_what_was_written_and_no_false_end(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    path = tmp_path / "a.jsonl.gz"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that write fails with EFBIG, as with ENOSPC
    writer = RecordingWriter(str(path), {})
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        with pytest.raises(RecordingError, match="cannot go on"):
            for event in WHOLE:
                writer.write(event)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    writer.close()
    assert path.stat().st_size == 2000, "nothing was added to the torn end"
    seen = list(read_recording(str(path)))
    assert len(seen) > 40
    assert seen[:-1] == WHOLE[: len(seen) - 1]
    assert isinstance(seen[-1], CollectionGap)


def test_without_the_library_zst_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("compression") is not None:
        pytest.skip("this Python has zstd itself")
    packed = tmp_path / "a.jsonl.zst"
    with RecordingWriter(str(packed), {}) as writer:
        writer.write(WHOLE[0])
    real = builtins.__import__

    def without_zstandard(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "zstandard":
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.delitem(sys.modules, "zstandard", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_zstandard)
    other = tmp_path / "b.zst"
    for attempt in (lambda: RecordingWriter(str(other), {}), lambda: list(read_recording(str(packed)))):
        with pytest.raises(RecordingError) as caught:
            attempt()
        assert "zstd" in caught.value.message
        assert "pip install 'gtdiag[zstd]'" in caught.value.hint
    assert not other.exists()
    assert not is_recording(str(packed))


def test_a_line_without_an_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "MAX_LINE_BYTES", 1000)
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"x" * 1_000_000))
    with bomb.open("rb") as raw, pytest.raises(DamagedError, match="a line of more than"):
        list(iterate_lines(open_plain(raw, "bomb")))
