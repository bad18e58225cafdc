"""Tracebacks joined from their lines, however a platform mistreats them."""

from __future__ import annotations

import random
from datetime import datetime, timezone

import pytest

from gtdiag.model import events
from gtdiag.parsing.log_parser import LogParser
from gtdiag.parsing.tracebacks import parse_exception, parse_frame

STAMP = "[2025-07-22 20:10:41 +0000]"
LIB = "/srv/venv/lib/python3.12/site-packages"
HEADER = f"{STAMP} [7] [ERROR] Error handling request /progress"
TIME_OUT = f"{STAMP} [1] [CRITICAL] WORKER TIMEOUT (pid:7)"
EXITING = f"{STAMP} [7] [INFO] Worker exiting (pid: 7)"
HEAD = "Traceback (most recent call last):"
FRAMES = [
    f'  File "{LIB}/gunicorn/workers/sync.py", line 134, in handle',
    "    self.handle_request(listener, req, client, addr)",
    f'  File "{LIB}/gunicorn/workers/sync.py", line 177, in handle_request',
    "    respiter = self.wsgi(environ, resp.start_response)",
    "               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    '  File "/srv/app/views.py", line 77, in stream',
    "    line = fetch(",
    '  File "/srv/app/client.py", line 12, in fetch',
    "    return requests.get(url, timeout=60)",
    f'  File "{LIB}/gunicorn/workers/base.py", line 204, in handle_abort',
    "    sys.exit(1)",
]
END = "SystemExit: 1"
CALLS = ["handle", "handle_request", "stream", "fetch"]
SOURCES = [FRAMES[i].strip() for i in (1, 3, 6, 8)]
WHOLE = [TIME_OUT, HEADER, HEAD, *FRAMES, END, EXITING]


def parse(*lines: str) -> list[events.Event]:
    parser = LogParser("x.log", newest=datetime(2025, 8, 1, tzinfo=timezone.utc))
    found: list[events.Event] = []
    for number, line in enumerate(lines, start=1):
        found += parser.feed(line, number)
    return found + parser.flush()


def tracebacks(*lines: str) -> list[events.TracebackLogged]:
    return [event for event in parse(*lines) if isinstance(event, events.TracebackLogged)]


def interrupted(*lines: str) -> list[events.TracebackLogged]:
    return [event for event in tracebacks(*lines) if event.interrupted]


def boot_failures(*lines: str) -> list[events.WorkerBootFailed]:
    return [event for event in parse(*lines) if isinstance(event, events.WorkerBootFailed)]


def calls(event: events.TracebackLogged | events.WorkerBootFailed) -> list[str]:
    return [frame.function for frame in event.frames]


def test_a_whole_traceback() -> None:
    [event] = interrupted(*WHOLE)
    assert (event.kind, event.exception, event.header) == ("abort", "SystemExit: 1", "Error handling request /progress")
    assert event.worker and event.worker.pid == 7
    assert (event.path, event.truncated) == ("/progress", False)
    assert calls(event) == CALLS
    assert [frame.source for frame in event.frames] == SOURCES
    assert event.origin.line == 2


def test_events_around_it_come_in_order() -> None:
    assert [type(event).__name__ for event in parse(*WHOLE)] == ["WorkerTimedOut", "TracebackLogged", "WorkerExiting"]


def test_flush_left() -> None:
    [event] = interrupted(*(line.lstrip() for line in WHOLE))
    assert calls(event) == CALLS
    assert [frame.source for frame in event.frames] == SOURCES


def test_cut_after_the_last_frame() -> None:
    [event] = interrupted(*WHOLE[:-2])
    assert calls(event) == CALLS


@pytest.mark.parametrize(
    "line",
    [
        '127.0.0.1 - - [22/Jul/2025:20:10:41 +0000] "POST /callback HTTP/1.1" 500 0 "-" "-"',
        "None",
        "{'mode': 'first'}",
        "status: fine",
        "Limit: 17",
        "[2025-07-22 20:10:41 +0000] [8] [DEBUG] GET /other",
        "",
    ],
)
def test_other_lines_in_between(line: str) -> None:
    for place in range(3, len(WHOLE) - 1):
        lines = [*WHOLE[:place], line, *WHOLE[place:]]
        [event] = interrupted(*lines)
        assert calls(event) == CALLS, place


def test_frames_above_their_header_and_behind_the_next_records() -> None:
    [event] = interrupted(
        f"{STAMP} [1] [INFO] Handling signal: usr1",
        *FRAMES[:4],
        TIME_OUT,
        HEADER,
        HEAD,
        *FRAMES[4:7],
        EXITING,
        f"{STAMP} [8] [INFO] Booting worker with pid: 8",
        *FRAMES[7:],
        END,
    )
    assert calls(event) == CALLS


def test_shuffled_within_a_burst_keeps_every_call() -> None:
    shuffled = [HEAD, *FRAMES, END]
    random.Random(4).shuffle(shuffled)
    [event] = interrupted(f"{STAMP} [7] [INFO] Booting worker with pid: 7", TIME_OUT, HEADER, *shuffled, EXITING)
    assert set(calls(event)) <= set(CALLS)
    assert {"stream", "fetch"} <= set(calls(event)) or not event.frames


def test_another_traceback_cut_short_above_the_header_is_not_taken_for_its_head() -> None:
    [event] = interrupted(
        f"{STAMP} [1] [INFO] Handling signal: usr1", HEAD, '  File "/srv/app/other.py", line 3, in other', *WHOLE[1:]
    )
    assert calls(event) == CALLS


def test_an_exception_of_the_application_is_not_the_interruption() -> None:
    lines = [TIME_OUT, HEADER, HEAD, *FRAMES[:-2], "ValueError: no", EXITING]
    [event] = tracebacks(*lines)
    assert (event.kind, event.interrupted, event.exception) == ("exception", False, "ValueError: no")


def test_an_unrelated_traceback_gives_nothing() -> None:
    assert (
        tracebacks("ERROR in app: Exception on / [GET]", HEAD, *FRAMES[5:9], "ValueError: no", TIME_OUT, EXITING) == []
    )


def test_a_chain_that_goes_on_behind_the_abort() -> None:
    chain = ["", "During handling of the above exception, another exception occurred:", ""]
    [event] = interrupted(
        TIME_OUT,
        HEADER,
        HEAD,
        *FRAMES,
        END,
        *chain,
        HEAD,
        '  File "/srv/app/views.py", line 80, in stream',
        "    close()",
        "OSError: closed",
        EXITING,
    )
    assert calls(event) == CALLS


def test_an_abort_while_another_exception_was_handled() -> None:
    chain = ["", "During handling of the above exception, another exception occurred:", ""]
    [event] = interrupted(
        TIME_OUT,
        HEADER,
        HEAD,
        '  File "/srv/app/views.py", line 80, in first',
        "    x()",
        "KeyError: 'a'",
        *chain,
        HEAD,
        *FRAMES,
        END,
        EXITING,
    )
    assert calls(event) == CALLS


def test_frames_of_the_worker_abort_hook_are_not_the_blocked_call() -> None:
    [event] = interrupted(
        TIME_OUT,
        HEADER,
        HEAD,
        *FRAMES[:-1],
        "    self.cfg.worker_abort(self)",
        '  File "/srv/gunicorn.conf.py", line 5, in worker_abort',
        "    dump()",
        "NameError: name 'dump' is not defined",
        EXITING,
    )
    assert (calls(event), event.truncated) == (CALLS, False)


def test_an_idle_event_loop_is_not_a_blocked_call() -> None:
    lines = [
        HEAD,
        '  File "/usr/lib/python3.10/asyncio/base_events.py", line 1871, in _run_once',
        "    event_list = self._selector.select(timeout)",
        '  File "/usr/lib/python3.10/selectors.py", line 469, in select',
        "    fd_event_list = self._selector.poll(timeout, max_ev)",
        *FRAMES[-2:],
        END,
    ]
    assert interrupted(TIME_OUT, *lines, EXITING) == []


def test_every_line_twice() -> None:
    lines = [line for line in WHOLE for _ in range(2)]
    [event] = interrupted(*lines)
    assert calls(event) == CALLS


def test_two_writers_interleaved_with_pids_in_the_prefix() -> None:
    other = [line.replace("[7]", "[8]").replace("pid: 7", "pid: 8").replace("views", "others") for line in WHOLE[1:]]
    lines = [
        f"Jul 22 20:10:41 host web[{pid}]: {line}"
        for pair in zip(WHOLE[1:], other, strict=True)
        for pid, line in zip((7, 8), pair, strict=True)
    ]
    found = interrupted(*lines)
    assert [event.worker.pid for event in found if event.worker] == [7, 8]
    assert [calls(event) for event in found] == [CALLS, CALLS]
    assert [event.frames[2].file for event in found] == ["/srv/app/views.py", "/srv/app/others.py"]


def test_two_writers_interleaved_without_pids_are_not_blamed_for_each_other() -> None:
    other = [line.replace("[7]", "[8]").replace("stream", "elsewhere").replace("views", "others") for line in WHOLE[1:]]
    mixed = [line for pair in zip(WHOLE[1:], other, strict=True) for line in pair]
    assert interrupted(*mixed) == []


def test_a_traceback_without_header_belongs_to_the_only_timed_out_worker() -> None:
    [event] = interrupted(TIME_OUT, "Exception ignored in: <module 'threading'>", HEAD, *FRAMES, END, EXITING)
    assert event.worker and event.worker.pid == 7


def test_a_traceback_without_header_belongs_to_nobody_when_two_timed_out() -> None:
    [event] = interrupted(TIME_OUT, TIME_OUT.replace("pid:7", "pid:8"), HEAD, *FRAMES, END)
    assert event.worker is None


def test_a_long_traceback_is_found_from_its_end() -> None:
    noise = ["nothing of interest"] * 100
    deep = [
        line
        for number in range(150)
        for line in (f'  File "/srv/app/deep.py", line {number}, in level_{number}', "    deeper()")
    ]
    [event] = interrupted(*noise, TIME_OUT, *noise, HEAD, *deep, *FRAMES[-2:], END)
    assert calls(event) == [f"level_{number}" for number in range(150)]


def test_only_a_header_without_uri_after_a_time_out_tells_what_gunicorn_did() -> None:
    [event] = interrupted(TIME_OUT, f"{STAMP} [7] [ERROR] Error handling request (no URI read)")
    assert (event.no_uri_read, event.frames, event.truncated) == (True, (), True)
    assert interrupted(f"{STAMP} [7] [ERROR] Error handling request (no URI read)") == []


DUMP = [
    "Fatal Python error: Aborted",
    "",
    "Thread 0x00007f1 (most recent call first):",
    '  File "/usr/lib/python3.12/threading.py", line 359 in wait',
    "",
    "Current thread 0x00007f0 (most recent call first):",
    '  File "/srv/app/graph.py", line 747 in criterion',
    '  File "/srv/app/graph.py", line 689 in find',
    f'  File "{LIB}/uvicorn/workers.py", line 107 in run',
]


def test_a_faulthandler_dump_is_turned_around() -> None:
    [event] = interrupted(TIME_OUT, *DUMP, f"{STAMP} [1] [ERROR] Worker (pid:7) was sent code 134!")
    assert (event.kind, event.header) == ("faulthandler", "Fatal Python error: Aborted")
    assert calls(event) == ["run", "find", "criterion"]
    assert event.worker and event.worker.pid == 7


def test_a_dump_of_a_crash_belongs_to_the_worker_that_dies_next() -> None:
    [event] = interrupted(*DUMP, f"{STAMP} [1] [ERROR] Worker (pid:7) was sent SIGSEGV!")
    assert event.worker and event.worker.pid == 7


ARBITER = [
    HEAD,
    f'  File "{LIB}/gunicorn/arbiter.py", line 608, in spawn_worker',
    "    worker.init_process()",
    f'  File "{LIB}/gunicorn/workers/base.py", line 135, in init_process',
    "    self.load_wsgi()",
    '  File "/srv/app/wsgi.py", line 3, in <module>',
    "    import nothing",
    "ModuleNotFoundError: No module named 'nothing'",
]
BOOT = f"{STAMP} [7] [ERROR] Exception in worker process"


def test_a_failed_boot() -> None:
    [event] = boot_failures(f"{STAMP} [7] [INFO] Booting worker with pid: 7", BOOT, *ARBITER, EXITING)
    assert event.reason == "ModuleNotFoundError: No module named 'nothing'"
    assert calls(event) == ["spawn_worker", "init_process", "<module>"]
    assert event.worker and (event.worker.pid, event.worker.spawn) == (7, 1)


def test_a_failed_boot_printed_twice() -> None:
    [event] = boot_failures(BOOT + ":", *ARBITER, *ARBITER, EXITING)
    assert calls(event) == ["spawn_worker", "init_process", "<module>"]


def test_a_failed_boot_whose_header_is_cut_off() -> None:
    [event] = boot_failures(*ARBITER, EXITING)
    assert event.worker and event.worker.pid == 7


def test_an_exception_in_a_serving_worker_is_no_failed_boot() -> None:
    run = [
        f'  File "{LIB}/gunicorn/workers/base.py", line 142, in init_process',
        "    self.run()",
        f'  File "{LIB}/gunicorn/workers/ggevent.py", line 132, in run',
        "    self.x()",
    ]
    lines = [BOOT, *ARBITER[:3], *run, "RuntimeError: no", EXITING]
    assert boot_failures(*lines) == []
    assert [event.kind for event in tracebacks(*lines)] == ["exception"]


def test_a_failed_lifespan() -> None:
    [event] = boot_failures(
        f"{STAMP} [7] [INFO] Waiting for application startup.",
        f"{STAMP} [7] [ERROR] Traceback (most recent call last):",
        '  File "/srv/app/main.py", line 9, in lifespan',
        "    await connect()",
        "ConnectionRefusedError: [Errno 111] Connection refused",
        "",
        f"{STAMP} [7] [ERROR] Application startup failed. Exiting.",
    )
    assert event.reason == "ConnectionRefusedError: [Errno 111] Connection refused"
    assert calls(event) == ["lifespan"]


def test_a_json_logger_with_the_traceback_in_a_field() -> None:
    import json

    [event] = interrupted(
        json.dumps({"message": "WORKER TIMEOUT (pid:7)", "process": 1}),
        json.dumps(
            {"message": "Error handling request /progress", "process": 7, "exc_info": "\n".join([HEAD, *FRAMES, END])}
        ),
    )
    assert calls(event) == CALLS


@pytest.mark.parametrize("text", ["None", "True", "INFO: hello", "a.b", "File: x", "word", "http://x: y", ""])
def test_what_is_no_exception(text: str) -> None:
    assert parse_exception(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "SystemExit: 1",
        "KeyboardInterrupt",
        "MemoryError",
        "a.b.C: x",
        "gunicorn.errors.HaltServer: <HaltServer 'x' 3>",
        "psycopg2.OperationalError: SSL error: bad",
        "binascii.Error: x",
        "asyncio.exceptions.CancelledError",
    ],
)
def test_what_is_an_exception(text: str) -> None:
    assert parse_exception(text) == text


def test_frames_of_both_kinds() -> None:
    for text in ('  File "/a b.py", line 3, in <module>', 'File "/a b.py", line 3 in <module>'):
        frame = parse_frame(text)
        assert frame and (frame.file, frame.line, frame.function) == ("/a b.py", 3, "<module>")
