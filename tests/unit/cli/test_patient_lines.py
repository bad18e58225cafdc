"""A reader that is slow, stops or goes away: nobody waits for it, and it learns what it missed."""

from __future__ import annotations

import os
import threading

import pytest

from gtdiag.cli.patient_lines import PatientLines

LINE = "x" * 1023 + "\n"


def say_dropped(lines: int) -> str:
    return f"{lines} left out\n"


def read_all(descriptor: int) -> list[str]:
    with os.fdopen(descriptor, encoding="utf-8") as file:
        return file.read().splitlines()


def test_every_line_in_its_order() -> None:
    reading, writing = os.pipe()
    lines = PatientLines(writing, say_dropped)
    os.close(writing)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.extend(read_all(reading)))
    reader.start()
    for number in range(5000):
        lines.write(f"line {number}\n")
    assert lines.close() == 0
    reader.join(10)
    assert got == [f"line {number}" for number in range(5000)]


def test_a_reader_that_stops_misses_lines_and_is_told_how_many() -> None:
    reading, writing = os.pipe()
    lines = PatientLines(writing, say_dropped, most_bytes=100 * 1024, last_words_s=10)
    os.close(writing)
    for _ in range(1000):  # a pipe takes 64 KiB, 100 KiB wait: nobody reads, and this does not wait
        lines.write(LINE)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.extend(read_all(reading)))
    reader.start()
    assert lines.close() == 0
    reader.join(10)
    whole, [said] = got[:-1], got[-1:]
    assert set(whole) == {LINE.strip()}
    assert said == f"{1000 - len(whole)} left out"
    assert 100 <= len(whole) < 400


def test_after_a_pause_it_goes_on_where_it_can() -> None:
    reading, writing = os.pipe()
    lines = PatientLines(writing, say_dropped, most_bytes=100 * 1024)
    os.close(writing)
    for _ in range(300):
        lines.write(LINE)
    got = b""
    while got.count(b"\n") < 90:
        got += os.read(reading, 65536)
    while not got.endswith(b"last\n"):
        lines.write("last\n")
        got += os.read(reading, 65536)
    told = [line for line in got.decode().splitlines() if "left out" in line]
    assert len(told) == 1 and got.decode().splitlines().index(told[0]) >= 100
    lines.close()
    os.close(reading)


def test_a_reader_that_never_reads_again_is_not_waited_for() -> None:
    reading, writing = os.pipe()
    lines = PatientLines(writing, say_dropped, last_words_s=0.05)
    os.close(writing)
    for _ in range(100):
        lines.write(LINE)
    assert lines.close() > 0
    os.close(reading)  # now the thread ends, too


def test_a_reader_that_went_away_is_an_error_at_a_later_line() -> None:
    reading, writing = os.pipe()
    lines = PatientLines(writing, say_dropped)
    os.close(writing)
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        while True:
            lines.write(LINE)
    assert lines.close() == 0


def test_a_pipe_that_the_other_side_made_non_blocking() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    lines = PatientLines(writing, say_dropped)
    os.close(writing)
    for _ in range(200):
        lines.write(LINE)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.extend(read_all(reading)))
    reader.start()
    assert lines.close() == 0
    reader.join(10)
    assert len(got) == 200
