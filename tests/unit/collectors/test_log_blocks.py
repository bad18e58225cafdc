"""Reading in blocks must give exactly the events of feeding the parser every line."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from gtdiag.collectors.block_search import BlockSearch, SearchedBlock, search_here
from gtdiag.collectors.literal_search import search_one_by_one
from gtdiag.collectors.log_blocks import read_line_blocks, scan_blocks
from gtdiag.collectors.log_lines import decode_line
from gtdiag.model.events import Event
from gtdiag.parsing.log_parser import LogParser
from gtdiag.parsing.relevance import COARSE_LITERALS, JOURNAL_LITERALS, LINE_CHARACTERS, SIGNAL, SIGNAL_BYTES

STAMP = "[2025-07-22 20:10:41 +0000]"
WORKERS = "/srv/venv/site-packages/gunicorn/workers"
TELLING = [
    f"{STAMP} [1] [INFO] Starting gunicorn 23.0.0",
    f"{STAMP} [1] [INFO] Listening at: http://0.0.0.0:8000 (1)",
    f"{STAMP} [1] [INFO] Using worker: sync",
    f"{STAMP} [7] [INFO] Booting worker with pid: 7",
    f"{STAMP} [8] [INFO] Booting worker with pid: 8",
    f"{STAMP} [1] [CRITICAL] WORKER TIMEOUT (pid:7)",
    f"{STAMP} [1] [CRITICAL] WORKER TIMEOUT (pid:8)",
    f"{STAMP} [1] [ERROR] DIRTY WORKER TIMEOUT (pid:9)",
    f"{STAMP} [7] [ERROR] Error handling request /slow",
    f"{STAMP} [8] [ERROR] Error handling request (no URI read)",
    f"{STAMP} [7] [ERROR] Exception in worker process",
    f"{STAMP} [7] [INFO] Worker exiting (pid: 7)",
    f"{STAMP} [1] [ERROR] Worker (pid:7) exited with code 1",
    f"{STAMP} [1] [ERROR] Worker (pid:7) exited with code 1.",
    f"{STAMP} [1] [ERROR] Worker (pid:8) was sent SIGKILL! Perhaps out of memory?",
    f"{STAMP} [1] [WARNING] Worker with pid 7 was terminated due to signal 9",
    f"{STAMP} [1] [INFO] Handling signal: term",
    f"{STAMP} [1] [INFO] Shutting down: Master",
    f"{STAMP} [1] [INFO] Reason: Worker failed to boot.",
    f"{STAMP} [7] [INFO] Started server process [7]",
    f"{STAMP} [7] [INFO] Waiting for application startup.",
    f"{STAMP} [7] [ERROR] Application startup failed. Exiting.",
    f"{STAMP} [7] [INFO] Application startup complete.",
    f"{STAMP} [7] [ERROR] Traceback (most recent call last):",
    "Application object must be callable.",
    "Current thread 0x000075a11f250b80 (most recent call first):",
    "Out of memory: Kill process 8470 (gunicorn) score 63 or sacrifice child",
    "Killed process 8470 (gunicorn) total-vm:340852kB, anon-rss:63568kB",
    "gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>",
    "web-1  | " + f"{STAMP} [1] [CRITICAL] WORKER TIMEOUT (pid:7)",
    (
        '{"log": "'
        f"{STAMP} [1] [CRITICAL] WORKER TIMEOUT (pid:7)"
        '\\n", "stream": "stderr", "time": "2025-07-22T20:10:41Z"}'
    ),
]
TRACEBACK = [
    "Traceback (most recent call last):",
    f'  File "{WORKERS}/sync.py", line 134, in handle',
    "    self.handle_request(listener, req, client, addr)",
    '  File "/srv/app/views.py", line 42, in slow',
    "    time.sleep(60)",
    f'  File "{WORKERS}/base.py", line 204, in handle_abort',
    "    sys.exit(1)",
    "SystemExit: 1",
    "",
    "During handling of the above exception, another exception occurred:",
    '  File "/srv/venv/site-packages/gunicorn/arbiter.py", line 608, in spawn_worker',
    "ModuleNotFoundError: No module named 'x'",
]
NOISE = [
    '10.0.0.1 - - [22/Jul/2025:20:10:41 +0000] "GET /service-worker.js?(pid: HTTP/1.1" 200 5 "-" "-"',
    "printed: something",
    "caf\u00e9 \u2603 \U0001f984",
    "\x1b[32mgreen\x1b[0m",
    "2025-07-22 20:10:41,123 INFO app: nothing",
    "progress 10%\rprogress 20%",
]

lines = st.lists(
    st.one_of(
        st.sampled_from(TELLING).map(lambda line: [line]),
        st.sampled_from(TRACEBACK).map(lambda line: [line]),
        st.just(TRACEBACK[:8]),
        st.tuples(st.sampled_from(NOISE), st.integers(1, 450)).map(lambda pair: [pair[0]] * pair[1]),
        st.tuples(st.sampled_from(TELLING), st.sampled_from([10, 70_000])).map(lambda pair: ["x" * pair[1] + pair[0]]),
        st.text(max_size=60).map(lambda text: [text.replace("\n", " ")]),
    ),
    max_size=40,
).map(lambda groups: list(itertools.chain.from_iterable(groups)))


def feed_every_line(data: bytes) -> list[Event]:
    parser = LogParser("x.log")
    found: list[Event] = []
    rows = data.split(b"\n")
    if rows[-1] == b"":
        rows.pop()
    for number, row in enumerate(rows, start=1):
        found += parser.feed(decode_line(row), number)
    return found + parser.flush()


def read_in_blocks(data: bytes, block_bytes: int, search: BlockSearch = search_here) -> list[Event]:
    parser = LogParser("x.log")
    return [*scan_blocks(read_line_blocks(io.BytesIO(data), block_bytes), parser, search), *parser.flush()]


def search_slowly(blocks: Iterable[bytes]) -> Iterator[SearchedBlock]:
    """What is used where no faster search is installed."""
    search = search_one_by_one(COARSE_LITERALS + JOURNAL_LITERALS)
    return (SearchedBlock(block, search(block)) for block in blocks)


@settings(max_examples=300, deadline=None)
@given(lines=lines, block_bytes=st.sampled_from([100, 1000, 20_000, 1 << 20]), ended=st.booleans())
def test_blocks_give_the_events_of_every_line(lines: list[str], block_bytes: int, ended: bool) -> None:
    data = "\n".join(lines).encode("utf-8", "surrogatepass") + (b"\n" if ended else b"")
    every_line = feed_every_line(data)
    assert read_in_blocks(data, block_bytes) == every_line
    assert read_in_blocks(data, block_bytes, search_slowly) == every_line


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=2000), block_bytes=st.sampled_from([7, 100, 1 << 20]))
def test_any_bytes_are_read_without_an_error(data: bytes, block_bytes: int) -> None:
    assert read_in_blocks(data, block_bytes) == feed_every_line(data)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=500), block_bytes=st.integers(1, 60))
def test_blocks_are_whole_lines_and_lose_nothing(data: bytes, block_bytes: int) -> None:
    blocks = list(read_line_blocks(io.BytesIO(data), block_bytes))
    assert b"".join(blocks) == data
    assert all(block.endswith(b"\n") for block in blocks[:-1])


def test_a_line_without_end_is_cut_and_the_next_one_is_found() -> None:
    data = b"x" * 3_000_000 + b"\n" + TELLING[5].encode() + b"\n"
    blocks = list(read_line_blocks(io.BytesIO(data), 10_000))
    assert sum(map(len, blocks)) < 5 * LINE_CHARACTERS
    found = read_in_blocks(data, 10_000)
    assert [(type(event).__name__, event.origin.line) for event in found] == [("WorkerTimedOut", 2)]


def test_every_tell_tale_line_holds_a_literal_that_is_searched_for() -> None:
    for line in TELLING:
        if SIGNAL.search(line):
            assert any(literal in line.encode() for literal in COARSE_LITERALS), line
            assert SIGNAL_BYTES.search(line.encode())
