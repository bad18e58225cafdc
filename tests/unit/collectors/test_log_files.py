"""Saved logs as they lie around: compressed, piped, reversed, rotated, cut, or not logs at all."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import sys
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from gtdiag.collectors.log_files import collect_log_events
from gtdiag.errors import LogReadError
from gtdiag.model import events

UTC = timezone.utc


def record(second: int, pid: int, text: str) -> str:
    at = datetime(2025, 7, 22, 20, 0, tzinfo=UTC) + timedelta(seconds=second)
    return f"[{at:%Y-%m-%d %H:%M:%S} +0000] [{pid}] {text}"


LINES = [
    record(0, 1, "[INFO] Starting gunicorn 23.0.0"),
    record(0, 1, "[INFO] Listening at: http://0.0.0.0:8000 (1)"),
    record(1, 7, "[INFO] Booting worker with pid: 7"),
    record(31, 1, "[CRITICAL] WORKER TIMEOUT (pid:7)"),
    record(31, 7, "[ERROR] Error handling request /slow"),
    "Traceback (most recent call last):",
    '  File "/venv/gunicorn/workers/sync.py", line 134, in handle',
    "    self.handle_request(listener, req, client, addr)",
    '  File "/srv/app.py", line 5, in slow',
    "    time.sleep(60)",
    '  File "/venv/gunicorn/workers/base.py", line 204, in handle_abort',
    "    sys.exit(1)",
    "SystemExit: 1",
    record(31, 7, "[INFO] Worker exiting (pid: 7)"),
    record(32, 8, "[INFO] Booting worker with pid: 8"),
    record(90, 8, "[DEBUG] GET /"),
]
TEXT = "\n".join(LINES) + "\n"


def write(folder: Path, content: bytes | str, name: str = "gunicorn.log") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def kinds(found: list[events.Event]) -> list[str]:
    return [type(event).__name__ for event in found]


EXPECTED_KINDS = [
    *("ObservationStarted", "MasterStarted", "MasterListening", "WorkerBooted", "WorkerTimedOut", "TracebackLogged"),
    *("WorkerExiting", "WorkerBooted", "ObservationEnded"),
]


def test_a_log_from_start_to_end(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT)
    found = list(collect_log_events([path], timeout_s=30.0))
    assert kinds(found) == EXPECTED_KINDS
    assert [event.seq for event in found] == list(range(len(found)))
    started, ended = found[0], found[-1]
    assert isinstance(started, events.ObservationStarted)
    assert (started.kind, started.files, started.timeout_s) == ("log", (path,), 30.0)
    assert started.at == datetime(2025, 7, 22, 20, 0, 0, tzinfo=UTC)
    assert ended.at == datetime(2025, 7, 22, 20, 1, 30, tzinfo=UTC)
    assert all(event.origin.file == path for event in found[1:-1])


def test_the_period_reaches_over_lines_of_no_interest(tmp_path: Path) -> None:
    access = '10.0.0.1 - - [22/Jul/2025:{}:00:00 +0200] "GET / HTTP/1.1" 200 5'
    path = write(tmp_path, access.format("10") + "\n" + TEXT + access.format("23") + "\nno time here\n")
    found = list(collect_log_events([path]))
    assert found[0].at == datetime(2025, 7, 22, 8, tzinfo=UTC)
    assert found[-1].at == datetime(2025, 7, 22, 21, tzinfo=UTC)


def compress_zstd(data: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard")
    compressed: bytes = zstandard.ZstdCompressor().compress(data)
    return compressed


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, compress_zstd])
@pytest.mark.parametrize("name", ["gunicorn.log.gz", "named_otherwise"])
def test_compressed_logs_are_known_by_their_bytes(
    tmp_path: Path, compress: Callable[[bytes], bytes], name: str
) -> None:
    path = write(tmp_path, compress(TEXT.encode()), name)
    assert kinds(list(collect_log_events([path]))) == EXPECTED_KINDS
    with Path(path).open("rb") as file:
        assert kinds(list(collect_log_events(["-"], stdin=file))) == EXPECTED_KINDS


def test_two_gzip_members(tmp_path: Path) -> None:
    half = TEXT.index("[2025-07-22 20:00:31")
    data = gzip.compress(TEXT[:half].encode()) + gzip.compress(TEXT[half:].encode())
    assert kinds(list(collect_log_events([write(tmp_path, data)]))) == EXPECTED_KINDS


def test_zstd_without_a_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, compress_zstd(TEXT.encode()))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression", None)
    with pytest.raises(LogReadError) as error:
        list(collect_log_events([path]))
    assert "pip install" in error.value.hint


def test_standard_input() -> None:
    found = list(collect_log_events(["-"], stdin=io.BytesIO(TEXT.encode())))
    assert kinds(found) == EXPECTED_KINDS
    assert found[3].origin.file == "standard input"


class Trickle(io.RawIOBase):
    """A pipe that gives seven bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(7)


def test_a_pipe_that_trickles() -> None:
    assert kinds(list(collect_log_events(["-"], stdin=Trickle(TEXT.encode())))) == EXPECTED_KINDS  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le-bom", "utf-16-be-bom", "utf-8-sig"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    marks = {"utf-16-le-bom": (b"\xff\xfe", "utf-16-le"), "utf-16-be-bom": (b"\xfe\xff", "utf-16-be")}
    mark, codec = marks.get(encoding, (b"", encoding))
    path = write(tmp_path, mark + TEXT.replace("\n", "\r\n").encode(codec))
    assert kinds(list(collect_log_events([path]))) == EXPECTED_KINDS


def test_bytes_that_are_not_utf_8_stay_visible(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT.encode().replace(b"/slow", b"/sl\xffw"))
    [traceback] = [e for e in collect_log_events([path]) if isinstance(e, events.TracebackLogged)]
    assert traceback.path == "/sl\\xffw"


def test_a_hole_of_zero_bytes_in_front(tmp_path: Path) -> None:
    assert kinds(list(collect_log_events([write(tmp_path, b"\0" * 5000 + TEXT.encode())]))) == EXPECTED_KINDS


# --- newest first ---


def test_every_line_reversed(tmp_path: Path) -> None:
    path = write(tmp_path, "\n".join(reversed(LINES)) + "\n")
    found = list(collect_log_events([path]))
    assert kinds(found) == EXPECTED_KINDS
    assert [event.at for event in found] == sorted(event.at for event in found if event.at)
    [traceback] = [event for event in found if isinstance(event, events.TracebackLogged)]
    assert [frame.function for frame in traceback.frames] == ["handle", "slow"]
    assert traceback.origin.line == LINES[::-1].index(LINES[4]) + 1


def test_records_newest_first_with_their_lines_upright(tmp_path: Path) -> None:
    records: list[list[str]] = []
    for line in LINES:
        if line.startswith("["):
            records.append([])
        records[-1].append(line)
    path = write(tmp_path, "\n".join("\n".join(lines) for lines in reversed(records)) + "\n")
    found = list(collect_log_events([path]))
    assert kinds(found) == EXPECTED_KINDS
    [traceback] = [event for event in found if isinstance(event, events.TracebackLogged)]
    assert [frame.function for frame in traceback.frames] == ["handle", "slow"]


def test_a_few_stamps_that_run_backwards_do_not_reverse_a_log(tmp_path: Path) -> None:
    lines = [record(second, 1, f"[DEBUG] {second} workers") for second in (0, 2, 1, 4, 3, 6, 5)]
    path = write(tmp_path, "\n".join([*lines, record(50, 1, "[CRITICAL] WORKER TIMEOUT (pid:7)")]))
    [event] = [event for event in collect_log_events([path]) if isinstance(event, events.WorkerTimedOut)]
    assert event.origin.line == 8


def test_a_stamp_that_is_cut_to_the_second_is_not_earlier_than_one_within_it(tmp_path: Path) -> None:
    """containerd's stamp is taken where it is in the writer's second, which it just misses for the second line."""
    lines = [
        f"2025-07-22T20:00:00.900000000Z stderr F {LINES[0]}",
        f"2025-07-22T20:00:01.000100000Z stderr F {LINES[1]}",
    ]
    found = list(collect_log_events([write(tmp_path, "\n".join(lines) + "\n")]))
    assert kinds(found) == ["ObservationStarted", "MasterStarted", "MasterListening", "ObservationEnded"]


# --- several files ---


def test_rotated_parts_are_read_oldest_first_and_know_their_workers(tmp_path: Path) -> None:
    old = write(tmp_path, gzip.compress("\n".join(LINES[:3]).encode()), "gunicorn.log.1.gz")
    new = write(tmp_path, "\n".join(LINES[3:]) + "\n", "gunicorn.log")
    found = list(collect_log_events([new, old]))
    assert kinds(found) == EXPECTED_KINDS
    [timed_out] = [event for event in found if isinstance(event, events.WorkerTimedOut)]
    assert timed_out.worker and timed_out.worker.spawn == 1


def test_a_file_without_a_gunicorn_line_among_others_is_a_gap(tmp_path: Path) -> None:
    good, other = write(tmp_path, TEXT), write(tmp_path, "hello\n", "other.log")
    found = list(collect_log_events([good, other]))
    assert [event.why for event in found if isinstance(event, events.CollectionGap)] == [
        f"{other} holds not one line of gunicorn's"
    ]


# --- since, until ---


def test_since_and_until(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT)
    since, until = datetime(2025, 7, 22, 20, 0, 31, tzinfo=UTC), datetime(2025, 7, 22, 20, 0, 31, tzinfo=UTC)
    found = list(collect_log_events([path], since=since, until=until))
    assert kinds(found) == [
        *("ObservationStarted", "WorkerTimedOut", "TracebackLogged", "WorkerExiting", "ObservationEnded"),
    ]
    assert (found[0].at, found[-1].at) == (since, until)


# --- what cannot be read ---


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(LogReadError, match="no such file"):
        list(collect_log_events([str(tmp_path / "missing.log")]))


def test_a_folder_without_a_log(tmp_path: Path) -> None:
    with pytest.raises(LogReadError, match="no log in the folder"):
        list(collect_log_events([str(tmp_path)]))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT)
    Path(path).chmod(0)
    with pytest.raises(LogReadError, match="not allowed"):
        list(collect_log_events([path]))


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"hello\nworld\n", b"\0" * 100], ids=["empty", "newline", "other", "hole"]
)
def test_nothing_of_gunicorn(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(LogReadError) as error:
        list(collect_log_events([write(tmp_path, content)]))
    assert "gunicorn.log" in error.value.message and error.value.hint


def test_a_binary_file(tmp_path: Path) -> None:
    with pytest.raises(LogReadError, match="not a text log"):
        list(collect_log_events([write(tmp_path, bytes(range(256)) * 20)]))


def test_no_file_at_all() -> None:
    with pytest.raises(LogReadError):
        list(collect_log_events([]))


def test_a_log_without_incidents_is_a_log(tmp_path: Path) -> None:
    path = write(tmp_path, "\n".join(record(second, 1, "[DEBUG] 4 workers") for second in range(5)))
    assert kinds(list(collect_log_events([path]))) == ["ObservationStarted", "ObservationEnded"]


def test_a_kernel_log_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "May 10 15:38:53 host kernel: Out of memory: Killed process 8470 (gunicorn) total-vm:2kB\n")
    os.utime(path, (1_654_000_000, 1_654_000_000))  # May 2022, which gives the stamps their year
    [killed] = [event for event in collect_log_events([path]) if isinstance(event, events.KernelOomKilled)]
    assert killed.at == datetime(2022, 5, 10, 15, 38, 53, tzinfo=UTC)


def test_a_compressed_log_that_was_cut_keeps_what_there_is(tmp_path: Path) -> None:
    noise = "".join(f"{os.urandom(40).hex()}\n" for _ in range(20_000))
    data = gzip.compress((TEXT + noise).encode())
    found = list(collect_log_events([write(tmp_path, data[: len(data) // 2])]))
    assert [kind for kind in kinds(found) if kind != "CollectionGap"] == EXPECTED_KINDS
    [gap] = [event for event in found if isinstance(event, events.CollectionGap)]
    assert gap.what == "log" and "only in part" in gap.why


def test_a_damaged_compressed_log(tmp_path: Path) -> None:
    with pytest.raises(LogReadError):
        list(collect_log_events([write(tmp_path, b"\x1f\x8b\x08" + b"\xff" * 100)]))


# --- streaming ---


class Endless(io.RawIOBase):
    """A hundred megabytes of access log, made as it is read."""

    def __init__(self, megabytes: int) -> None:
        line = b'10.0.0.1 - - [22/Jul/2025:20:00:00 +0000] "GET /items/17?page=3 HTTP/1.1" 200 5 "-" "curl/8"\n'
        self._blocks = [TEXT.encode()] + [line * (1_000_000 // len(line))] * megabytes
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        if not self._rest and self._blocks:
            self._rest = self._blocks.pop(0)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def test_memory_stays_constant() -> None:
    peaks = []
    for megabytes in (50, 150):  # as much of both is read ahead as ever is
        source = Endless(megabytes)
        tracemalloc.start()
        found = list(collect_log_events(["-"], stdin=source))  # type: ignore[arg-type]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert kinds(found) == EXPECTED_KINDS
    assert peaks[1] < peaks[0] * 1.5 + 1_000_000


def test_a_line_of_fifty_megabytes() -> None:
    found = list(collect_log_events(["-"], stdin=io.BytesIO(b"x" * 50_000_000 + b"\n" + TEXT.encode())))
    assert kinds(found) == EXPECTED_KINDS


def test_the_first_event_comes_before_the_rest_is_read() -> None:
    source = Endless(50)
    found = collect_log_events(["-"], stdin=source)  # type: ignore[arg-type]
    assert isinstance(next(found), events.ObservationStarted)
    assert isinstance(next(found), events.MasterStarted)
    assert len(source._blocks) > 40


def test_nothing_of_linux_or_of_the_live_side_is_imported() -> None:
    import subprocess

    code = (
        "import sys, json; import gtdiag.collectors.log_files; "
        "unwanted = ('psutil', 'resource', 'fcntl', 'pwd', 'gzip', 'bz2', 'lzma'); "
        "print(json.dumps([name for name in unwanted if name in sys.modules]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == []
