"""Any number of processes finds the same places in the same order, also when one of them is ended from outside."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtdiag.collectors import block_search, log_files
from gtdiag.collectors.block_search import BlockSearch, search_by_processes, search_here
from gtdiag.collectors.log_files import collect_log_events
from gtdiag.model.events import Event, WorkerTimedOut


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes are asked from the second block on."""
    monkeypatch.setattr(block_search, "SEARCHED_ALONE", 1)


def make_blocks(count: int) -> list[bytes]:
    chance = random.Random(1)
    lines = [
        b"[2026-01-01 00:00:00 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:7)\n",
        b"[2026-01-01 00:00:01 +0000] [7] [INFO] Booting worker with pid: 7\n",
        *[b'10.0.0.1 - - "GET /items HTTP/1.1" 200 512\n'] * 5,
    ]
    return [b"".join(chance.choices(lines, k=chance.randrange(1, 500))) for _ in range(count)]


def found(results: Iterator[block_search.SearchedBlock]) -> list[tuple[bytes, list[int]]]:
    return [(block, list(starts)) for block, starts, *_ in results]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 40])
def test_the_same_places_in_the_same_order(count: int) -> None:
    blocks = make_blocks(count)
    assert found(search_by_processes(3)(iter(blocks))) == found(search_here(blocks))
    assert multiprocessing.active_children() == []


def test_a_block_full_of_hits() -> None:
    """The answer is larger than a pipe holds."""
    blocks = [b"a (pid:1)\nWORKER TIMEOUT (pid:1)\n" * 40_000] * 5
    assert found(search_by_processes(2)(blocks)) == found(search_here(blocks))


def test_a_process_that_is_ended_costs_nothing_but_time() -> None:
    blocks = make_blocks(30)
    results = search_by_processes(2)(iter(blocks))
    seen = [next(results) for _ in range(4)]
    children = multiprocessing.active_children()
    assert len(children) == 2
    children[0].kill()
    children[0].join()
    seen += [*results]
    assert found(iter(seen)) == found(search_here(blocks))


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs POSIX signals")
def test_an_interrupt_in_the_terminal_is_for_the_process_that_reports(capfd: pytest.CaptureFixture[str]) -> None:
    blocks = make_blocks(30)
    results = search_by_processes(2)(iter(blocks))
    seen = [next(results) for _ in range(4)]
    children = multiprocessing.active_children()
    for child in children:
        assert child.pid is not None
        os.kill(child.pid, signal.SIGINT)
    seen += [*results]
    assert found(iter(seen)) == found(search_here(blocks))
    assert [child.exitcode for child in children] == [0, 0]
    assert capfd.readouterr().err == ""


def test_whoever_stops_reading_leaves_no_process_behind() -> None:
    results = search_by_processes(2)(iter(make_blocks(30)))
    for _ in range(3):
        next(results)
    assert multiprocessing.active_children()
    results.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def test_the_events_of_a_log_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs with their tracebacks across the borders of blocks, and holes, and lines that are too long."""
    path = tmp_path / "gunicorn.log"
    path.write_bytes(b"".join(make_large_log(4)))

    def events(search: BlockSearch) -> list[Event]:
        monkeypatch.setattr(log_files, "search_with", lambda jobs: search)
        return list(collect_log_events([str(path)]))

    one, several = events(search_here), events(search_by_processes(2))
    assert one == several
    assert sum(isinstance(event, WorkerTimedOut) for event in one) > 100


def make_large_log(megabytes: int) -> Iterator[bytes]:
    chance = random.Random(2)
    written = pid = 0
    yield b"[2026-01-01 00:00:00 +0000] [1] [INFO] Starting gunicorn 23.0.0\n"
    while written < megabytes * 1_000_000:
        pid += 1
        stamp = b"[2026-01-01 %02d:%02d:%02d +0000]" % (pid // 3600 % 24, pid // 60 % 60, pid % 60)
        piece = b'10.0.0.1 - - "GET /items HTTP/1.1" 200 512\n' * chance.randrange(700)
        piece += stamp + b" [1] [CRITICAL] WORKER TIMEOUT (pid:%d)\n" % pid
        piece += stamp + b" [%d] [ERROR] Error handling request /slow\nTraceback (most recent call last):\n" % pid
        piece += b'  File "/srv/app/views.py", line 42, in slow\n    time.sleep(60)\n'
        piece += b'  File "/v/gunicorn/workers/base.py", line 204, in handle_abort\n    sys.exit(1)\nSystemExit: 1\n'
        if pid % 20 == 0:
            piece += b"\0" * 5000 + b"x" * 400_000 + b"\n"
        written += len(piece)
        yield piece
