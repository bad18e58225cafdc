"""A growing log to lines: rotation, truncation, vanishing, partial and huge lines, standard input."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gtdiag.collectors import log_tail
from gtdiag.collectors.log_tail import LONGEST_LINE_BYTES, FileTail, LineSplitter, PipeTail, TailLine


def texts(lines: list[TailLine]) -> list[str]:
    return [line.text for line in lines]


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "gunicorn.log"
    path.write_text("old 1\nold 2\n")
    return path


def test_starts_with_the_end_of_the_file_marked_old(log: Path) -> None:
    tail = FileTail(log)
    first = tail.poll()
    assert texts(first) == ["old 1", "old 2"]
    assert all(line.old for line in first)
    append(log, "new\n")
    [new] = tail.poll()
    assert (new.text, new.old, new.number) == ("new", False, 3)
    assert tail.poll() == []


def test_reads_back_only_so_much_and_no_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "big.log"
    path.write_text("".join(f"line {number}\n" for number in range(10_000)))
    lines = texts(FileTail(path, read_back_bytes=100).poll())
    assert lines[-1] == "line 9999"
    assert 5 <= len(lines) <= 10
    assert all(line.startswith("line ") for line in lines)


def test_a_partial_line_waits_for_its_end(log: Path) -> None:
    tail = FileTail(log)
    tail.poll()
    append(log, "[CRITICAL] WORKER ")
    assert tail.poll() == []
    append(log, "TIMEOUT\nnext")
    assert texts(tail.poll()) == ["[CRITICAL] WORKER TIMEOUT"]
    assert texts(tail.close()) == ["next"]


def test_rotation_by_renaming_loses_nothing(log: Path) -> None:
    tail = FileTail(log)
    tail.poll()
    append(log, "before\n")
    log.rename(log.with_suffix(".1"))
    append(log.with_suffix(".1"), "late\n")
    append(log, "after\n")
    assert texts(tail.poll()) == ["before", "late", "after"]
    append(log, "more\n")
    assert texts(tail.poll()) == ["more"]


def test_rotation_with_a_pause_before_the_new_file(log: Path) -> None:
    tail = FileTail(log)
    tail.poll()
    log.rename(log.with_suffix(".1"))
    append(log.with_suffix(".1"), "still written to\n")
    assert texts(tail.poll()) == ["still written to"]
    assert tail.vanished
    append(log.with_suffix(".1"), "and again\n")
    append(log, "new file\n")
    assert texts(tail.poll()) == ["and again", "new file"]
    assert not tail.vanished


def test_truncation_starts_again(log: Path) -> None:
    tail = FileTail(log)
    tail.poll()
    log.write_text("n\n")
    assert texts(tail.poll()) == ["n"]


def test_copytruncate_keeps_on_reading(log: Path) -> None:
    tail = FileTail(log)
    tail.poll()
    with log.open("a") as writer:
        writer.write("one\n")
        writer.flush()
        assert texts(tail.poll()) == ["one"]
        os.truncate(log, 0)
        assert tail.poll() == []
        writer.write("two\n")
        writer.flush()
        assert texts(tail.poll()) == ["two"]


def test_vanishes_and_comes_back(log: Path) -> None:
    tail = FileTail(log)
    tail.poll()
    log.unlink()
    assert tail.poll() == []
    assert tail.vanished
    assert "No such file" in tail.why_vanished
    log.write_text("back\n")
    assert texts(tail.poll()) == ["back"]
    assert not tail.vanished


def test_a_log_that_is_not_there_yet(tmp_path: Path) -> None:
    tail = FileTail(tmp_path / "later.log")
    assert tail.poll() == []
    assert tail.vanished
    (tmp_path / "later.log").write_text("first\n")
    assert texts(tail.poll()) == ["first"]


def test_a_huge_line_is_cut_once_and_skipped_to_its_end() -> None:
    splitter = LineSplitter()
    lines = []
    for _ in range(50):
        lines += splitter.split(b"x" * 10_000)
    lines += splitter.split(b"tail of it\nnext\n")
    assert [len(line) for line in lines] == [LONGEST_LINE_BYTES, 4]
    assert lines[-1] == "next"


def test_bytes_that_are_not_text() -> None:
    assert LineSplitter().split(b"\xff\xfe\x00 ok\r\n") == ["\\xff\\xfe\x00 ok"]


def test_standard_input_gives_what_is_there_and_never_waits() -> None:
    reader, writer = os.pipe()
    tail = PipeTail(reader)
    assert tail.poll() == []
    os.write(writer, b"one\ntw")
    assert texts(tail.poll()) == ["one"]
    os.write(writer, b"o\nthree")
    os.close(writer)
    assert texts(tail.poll()) == ["two", "three"]
    assert tail.ended
    assert tail.poll() == []
    os.close(reader)


def test_a_closed_standard_input_is_an_end() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    os.close(reader)
    tail = PipeTail(reader)
    assert tail.poll() == []
    assert tail.ended


def test_a_log_that_grows_faster_than_it_is_read_is_gone_on_with_at_its_end(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tail, "POLL_BYTES", 1000)
    monkeypatch.setattr(log_tail, "CHUNK_BYTES", 100)
    monkeypatch.setattr(log_tail, "MOST_BEHIND_BYTES", 5000)
    tail = FileTail(log)
    tail.poll()
    append(log, "".join(f"line {number:04}\n" for number in range(3000)))
    first = tail.poll()
    assert texts(first)[0] == "line 0000" and len(first) == 100
    assert tail.left_out_bytes == 30_000 - 1000 - 1000
    then = texts(tail.poll())
    assert then[0] >= "line 2899" and then[-1] == "line 2999", "whole lines, up to the end"
    append(log, "last\n")
    assert texts(tail.poll()) == ["last"]


def test_at_the_end_what_is_still_there_is_read(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_tail, "POLL_BYTES", 1000)
    monkeypatch.setattr(log_tail, "CHUNK_BYTES", 100)
    monkeypatch.setattr(log_tail, "MOST_BEHIND_BYTES", 5000)
    tail = FileTail(log)
    tail.poll()
    append(log, "".join(f"line {number:04}\n" for number in range(450)))
    assert len(tail.poll()) == 100
    rest = texts(tail.close())
    assert (rest[0], rest[-1], tail.left_out_bytes) == ("line 0100", "line 0449", 0)
