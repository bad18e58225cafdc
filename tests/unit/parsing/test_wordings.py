"""Every wording of every version, in every logging format: one line, one event."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from gtdiag.model import events
from gtdiag.model.identity import WorkerId
from gtdiag.parsing.log_parser import LogParser


def parse(*lines: str) -> list[events.Event]:
    parser = LogParser("x.log", newest=datetime(2025, 8, 1, tzinfo=timezone.utc))
    found: list[events.Event] = []
    for number, line in enumerate(lines, start=1):
        found += parser.feed(line, number)
    return [e for e in found + parser.flush() if not isinstance(e, events.CollectionGap)]


MASTER = "[2025-07-22 20:10:41 +0000] [1] "
WORKER = "[2025-07-22 20:10:41 +0000] [7] "

# versions, line, event, worker's pid, master's pid, what it says
WORDINGS: list[tuple[str, str, type[events.Event], int | None, int | None, dict[str, Any]]] = [
    ("all", MASTER + "[INFO] Starting gunicorn 23.0.0", events.MasterStarted, None, 1, {"version": "23.0.0"}),
    (
        "all",
        MASTER + "[INFO] Listening at: http://[::]:80,unix:/a b.sock (1)",
        events.MasterListening,
        None,
        1,
        {"address": "http://[::]:80,unix:/a b.sock"},
    ),
    (
        "after HUP",
        MASTER + "[INFO] Listening at: http://0.0.0.0:80",
        events.MasterListening,
        None,
        1,
        {"address": "http://0.0.0.0:80"},
    ),
    (
        "<= 20.1",
        MASTER + "[INFO] Using worker: threads",
        events.WorkerClassAnnounced,
        None,
        1,
        {"worker_class": "threads"},
    ),
    (
        "all",
        MASTER + "[INFO] Using worker: uvicorn.workers.UvicornWorker",
        events.WorkerClassAnnounced,
        None,
        1,
        {"worker_class": "uvicorn.workers.UvicornWorker"},
    ),
    ("all", WORKER + "[INFO] Booting worker with pid: 7", events.WorkerBooted, 7, None, {}),
    ("17", "2013-09-09 14:55:06 [2350] [CRITICAL] WORKER TIMEOUT (pid:2473)", events.WorkerTimedOut, 2473, 2350, {}),
    (">= 19.2", MASTER + "[CRITICAL] WORKER TIMEOUT (pid:7)", events.WorkerTimedOut, 7, 1, {}),
    (
        "20.1",
        MASTER + "[WARNING] Worker with pid 7 was terminated due to signal 9",
        events.WorkerSignalled,
        7,
        1,
        {"signal": "SIGKILL", "perhaps_out_of_memory": False},
    ),
    (
        "20.1",
        MASTER + "[WARNING] Worker with pid 7 was terminated due to signal 6",
        events.WorkerSignalled,
        7,
        1,
        {"signal": "SIGABRT"},
    ),
    ("21 to 23", MASTER + "[ERROR] Worker (pid:7) exited with code 3", events.WorkerExited, 7, 1, {"code": 3}),
    (">= 21", MASTER + "[ERROR] Worker (pid:7) exited with code 1.", events.WorkerExited, 7, 1, {"code": 1}),
    (
        ">= 21",
        MASTER + "[ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?",
        events.WorkerSignalled,
        7,
        1,
        {"signal": "SIGKILL", "perhaps_out_of_memory": True, "wording": "was sent SIGKILL! Perhaps out of memory?"},
    ),
    (
        ">= 24",
        MASTER + "[WARNING] Worker (pid:7) was sent SIGSEGV!",
        events.WorkerSignalled,
        7,
        1,
        {"signal": "SIGSEGV"},
    ),
    (
        "21 to 23",
        MASTER + "[ERROR] Worker (pid:7) was sent code 134!",
        events.WorkerSignalled,
        7,
        1,
        {"signal": "SIGABRT", "core_dumped": True},
    ),
    (
        "21 to 23",
        MASTER + "[ERROR] Worker (pid:7) was sent code 139!",
        events.WorkerSignalled,
        7,
        1,
        {"signal": "SIGSEGV", "core_dumped": True},
    ),
    (
        ">= 24",
        MASTER + "[WARNING] Worker (pid:7) was sent signal 34!",
        events.WorkerSignalled,
        7,
        1,
        {"signal": "signal 34"},
    ),
    (
        ">= 24",
        MASTER + "[WARNING] Worker (pid:7) was sent signal 11!",
        events.WorkerSignalled,
        7,
        1,
        {"signal": "SIGSEGV"},
    ),
    ("all", WORKER + "[INFO] Worker exiting (pid: 7)", events.WorkerExiting, 7, None, {}),
    ("all", WORKER + "[INFO] Autorestarting worker after current request.", events.WorkerRecycled, 7, None, {}),
    ("gevent", WORKER + "[WARNING] Worker graceful timeout (pid:7)", events.WorkerGracefulTimeout, 7, None, {}),
    ("all", MASTER + "[INFO] Handling signal: ttin", events.MasterSignalled, None, 1, {"signal": "ttin"}),
    ("<= 20.1", MASTER + "[INFO] Shutting down: Master", events.MasterShutDown, None, 1, {}),
    (
        ">= 21",
        MASTER + "[ERROR] Reason: Worker failed to boot.",
        events.MasterHalted,
        None,
        1,
        {"reason": "Worker failed to boot.", "exit_code": 3},
    ),
    (
        ">= 21",
        MASTER + "[ERROR] Reason: App failed to load.",
        events.MasterHalted,
        None,
        1,
        {"reason": "App failed to load.", "exit_code": 4},
    ),
    (
        "<= 23",
        "gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>",
        events.MasterHalted,
        None,
        None,
        {"reason": "Worker failed to boot.", "exit_code": 3},
    ),
    ("asgi >= 24", WORKER + "[INFO] ASGI server listening on http://0.0.0.0:80", events.WorkerReady, 7, None, {}),
    (
        "asgi >= 24",
        WORKER + "[ERROR] ASGI lifespan startup failed: no database",
        events.WorkerBootFailed,
        7,
        None,
        {"reason": "ASGI lifespan startup failed: no database"},
    ),
    ("uvicorn", WORKER + "[INFO] Started server process [7]", events.WorkerProgressed, 7, None, {"step": "imported"}),
    (
        "uvicorn",
        WORKER + "[INFO] Waiting for application startup.",
        events.WorkerProgressed,
        7,
        None,
        {"step": "lifespan"},
    ),
    ("uvicorn", WORKER + "[INFO] Application startup complete.", events.WorkerReady, 7, None, {}),
    ("uvicorn", WORKER + "[ERROR] Application startup failed. Exiting.", events.WorkerBootFailed, 7, None, {}),
    (
        "uvicorn",
        WORKER + "[WARNING] Maximum request limit of 5 exceeded. Terminating process.",
        events.WorkerRecycled,
        7,
        None,
        {},
    ),
    (
        ">= 22",
        WORKER + "[ERROR] Error handling request /slow?token=1",
        events.TracebackLogged,
        7,
        None,
        {"method": None, "path": "/slow", "no_uri_read": False, "interrupted": False},
    ),
    (
        ">= 25.2",
        WORKER + "[ERROR] Error handling request GET /sources/24/",
        events.TracebackLogged,
        7,
        None,
        {"method": "GET", "path": "/sources/24/"},
    ),
    (
        ">= 22",
        WORKER + "[ERROR] Error handling request (no URI read)",
        events.TracebackLogged,
        7,
        None,
        {"no_uri_read": True, "path": None, "interrupted": False},
    ),
    (">= 27.0.1", WORKER + "[ERROR] Error handling request", events.TracebackLogged, 7, None, {"path": None}),
    (
        "all",
        "Application object must be callable.",
        events.WorkerBootFailed,
        None,
        None,
        {"reason": "Application object must be callable."},
    ),
    ("all", "Failed to find attribute 'app' in 'web'.", events.WorkerBootFailed, None, None, {}),
    ("all", "Failed to parse 'app(' as an attribute name or function call.", events.WorkerBootFailed, None, None, {}),
]


@pytest.mark.parametrize(
    ("versions", "line", "event", "worker", "master", "values"),
    WORDINGS,
    ids=[f"{w[0]}: {w[1][-40:]}" for w in WORDINGS],
)
def test_wording(
    versions: str, line: str, event: type[events.Event], worker: int | None, master: int | None, values: dict[str, Any]
) -> None:
    [found] = parse(line)
    assert type(found) is event
    assert (found.worker.pid if found.worker else None) == worker
    assert found.master_pid == master
    assert {name: getattr(found, name) for name in values} == values
    assert found.origin.line == 1 and found.origin.source == "log" and found.origin.file == "x.log"


def test_every_event_of_a_log_has_a_wording_here() -> None:
    made_elsewhere = {"ObservationStarted", "ObservationEnded", "CollectionGap", "MasterSettings", "MasterGone"}
    samples = {"HeartbeatSample", "ProcessSample", "StackSample", "SuspendedSample", "SocketSample", "CgroupSample"}
    kernel = {"KernelOomKilled"}
    counted = {"WorkersCounted"}  # of a crowd of lines, not of one: tests/unit/collectors/test_crowded_log.py
    known = {wording[2].__name__ for wording in WORDINGS}
    samples |= {"CpuSample"}
    missing = {cls.__name__ for cls in events.EVENT_CLASSES} - known - made_elsewhere - samples - kernel - counted
    # Later event classes may come from collectors alone; those a log can tell are these.
    assert missing <= {name for name in missing if not name.startswith(("Worker", "Master", "Traceback"))}


FORMATS = {
    "gunicorn >= 19.2": "[2025-07-22 20:10:41 +0000] [1] [CRITICAL] {}",
    "gunicorn <= 19.1": "2025-07-22 20:10:41 [1] [CRITICAL] {}",
    "first bracket lost": "2025-07-22 20:10:41 +0000] [1] [CRITICAL] {}",
    "terminal echo": "^C[2025-07-22 20:10:41 +0000] [1] [CRITICAL] {}",
    "pid, logger and line in brackets": "2025-07-22 20:10:41 [1:gunicorn.error:238] [CRITICAL] {}",
    "milliseconds, pid, logger": "2025-07-22 20:10:41,000 [1] [gunicorn.error] [CRITICAL] {}",
    "ISO with T": "[2025-07-22T20:10:41.000+0000] [1] [CRITICAL] {}",
    "ISO with Z": "2025-07-22T20:10:41Z [1] [CRITICAL] {}",
    "airflow": "[2025-07-22T20:10:41.000+0000] {{glogging.py:264}} CRITICAL - {}",
    "dashes": "2025-07-22 20:10:41 - CRITICAL - {}",
    "dashes and logger": "2025-07-22 20:10:41,000 - gunicorn.error - CRITICAL - {}",
    "loguru": "2025-07-22 20:10:41.000 | CRITICAL | gunicorn.glogging:critical:264 - {}",
    "loguru with level=": "2025-07-22 20:10:41 | level=CRITICAL | gunicorn.glogging:critical:264 - {}",
    "Django verbose": "CRITICAL 2025-07-22 20:10:41,000 glogging 1 140 {}",
    "logger then level": "2025-07-22 20:10:41,000 gunicorn.error CRITICAL {}",
    "level and logger": "2025-07-22 20:10:41 CRITICAL gunicorn.error: {}",
    "structlog console": "2025-07-22 20:10:41 [critical ] {}  [gunicorn.error]",
    "python-json-logger": '{{"asctime": "2025-07-22 20:10:41,0", "level": "CRITICAL", "message": "{}", "process": 1}}',
    "structlog JSON": '{{"event": "{}", "timestamp": "2025-07-22T20:10:41Z", "level": "critical"}}',
    "zap-like JSON": '{{"ts": 1753215041.0, "level": "critical", "msg": "{}"}}',
    "GELF": '{{"timestamp": 1753215041, "short_message": "{}"}}',
    "logfmt": 'time="2025-07-22T20:10:41Z" level=critical msg="{}"',
}
WITHOUT_TIME = {
    "level and logger in brackets": "CRITICAL [gunicorn.error] {}",
    "level": "[CRITICAL] {}",
    "basicConfig": "CRITICAL:gunicorn.error:{}",
    "uvicorn": "CRITICAL:     {}",
    "bare": "{}",
}


@pytest.mark.parametrize("name", [*FORMATS, *WITHOUT_TIME])
@pytest.mark.parametrize(
    ("message", "event"),
    [
        ("WORKER TIMEOUT (pid:7)", events.WorkerTimedOut),
        ("Worker (pid:7) was sent SIGKILL! Perhaps out of memory?", events.WorkerSignalled),
        ("Worker exiting (pid: 7)", events.WorkerExiting),
        ("Booting worker with pid: 7", events.WorkerBooted),
        ("Started server process [7]", events.WorkerProgressed),
        ("Worker (pid:7) exited with code 1", events.WorkerExited),
    ],
)
def test_logging_format(name: str, message: str, event: type[events.Event]) -> None:
    line = (FORMATS | WITHOUT_TIME)[name].format(message)
    [found] = parse(line)
    assert type(found) is event
    assert found.worker is not None and found.worker.pid == 7
    at = found.at.replace(microsecond=0) if found.at else None
    assert at == (datetime(2025, 7, 22, 20, 10, 41, tzinfo=timezone.utc) if name in FORMATS else None)


@pytest.mark.parametrize(
    "line",
    [
        MASTER + "[CRITICAL] DIRTY WORKER TIMEOUT (pid:7)",
        MASTER + "[WARNING] Dirty worker (pid:7) killed by signal 9",
        MASTER + "[INFO] Spawned dirty worker (pid: 7) with apps: a",
        MASTER + "[INFO] we saw WORKER TIMEOUT (pid:7)",
        MASTER + "[INFO] WORKER TIMEOUT (pid:7) was in the log again",
        '10.0.0.1 - - [22/Jul/2025:20:10:41 +0000] "GET /?q=WORKER TIMEOUT (pid:7)',
        '10.0.0.1 - - [22/Jul/2025:20:10:41 +0000] "GET / HTTP/1.1" 200 5 "-" WORKER TIMEOUT (pid:7)',
        "INFO:app:the user wrote: 'WORKER TIMEOUT (pid:7)",
        "a colleague said WORKER TIMEOUT (pid:7)",
        "2025-07-22 20:10:41 INFO app we had again a WORKER TIMEOUT (pid:7)",
        "SUPERWORKER TIMEOUT (pid:7)",
        "asyncio-auto-dial_backend_1 exited with code 1",
        "Failed to parse the message",
        "someone killed process 7 (gunicorn)",
        "Killed process 7 (gunicorn)",
    ],
)
def test_what_only_looks_like_it(line: str) -> None:
    assert parse(line) == []


def test_an_exit_said_twice_is_one_exit() -> None:
    found = parse(
        MASTER + "[ERROR] Worker (pid:7) exited with code 1",
        MASTER + "[ERROR] Worker (pid:7) exited with code 1.",
    )
    assert len(found) == 1


def test_a_log_that_holds_every_line_twice_boots_a_worker_once() -> None:
    line = WORKER + "[INFO] Booting worker with pid: 7"
    [found] = parse(line, line)
    assert found.worker == WorkerId(pid=7, spawn=1)


def test_gunicorn_17_repeats_are_all_told() -> None:
    line = "2013-09-09 14:55:06 [2350] [CRITICAL] WORKER TIMEOUT (pid:2473)"
    assert [e.origin.line for e in parse(line, line)] == [1, 2]


def test_two_signals_in_one_second_are_two() -> None:
    line = MASTER + "[INFO] Handling signal: winch"
    assert len(parse(line, line)) == 2


def test_a_pid_that_comes_back_is_another_worker() -> None:
    found = parse(
        "[2025-07-22 20:00:00 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:7)",
        "[2025-07-22 20:10:00 +0000] [7] [INFO] Booting worker with pid: 7",
        "[2025-07-22 20:20:00 +0000] [7] [INFO] Booting worker with pid: 7",
        "[2025-07-22 20:30:00 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:7)",
    )
    assert [e.worker.spawn for e in found if e.worker] == [0, 1, 2, 2]


def test_each_line_keeps_its_own_offset() -> None:
    found = parse(
        "[2024-12-03 14:49:04 -0600] [1] [CRITICAL] WORKER TIMEOUT (pid:7)",
        "[2024-12-03 20:49:05 +0000] [7] [INFO] Worker exiting (pid: 7)",
    )
    assert found[0].at and found[1].at
    assert found[1].at - found[0].at == timedelta(seconds=1)
    assert found[0].at.utcoffset() == timedelta(hours=-6)


def test_stamps_without_offset_are_reported_once() -> None:
    parser = LogParser("x.log")
    line = "2013-09-09 14:55:06 [2350] [CRITICAL] WORKER TIMEOUT (pid:2473)"
    found = parser.feed(line, 1) + parser.feed(line, 2) + parser.flush()
    assert [e.what for e in found if isinstance(e, events.CollectionGap)] == ["time_stamps"]
    assert all(e.at and e.at.tzinfo for e in found)


def test_uvicorn_start_without_pids_is_told_of_the_right_worker() -> None:
    found = parse(
        "INFO [uvicorn.error] Started server process [402]",
        "INFO [uvicorn.error] Waiting for application startup.",
        "INFO [uvicorn.error] Application startup complete.",
    )
    assert [(type(e).__name__, e.worker.pid) for e in found if e.worker] == [
        ("WorkerProgressed", 402),
        ("WorkerProgressed", 402),
        ("WorkerReady", 402),
    ]


OOM = [
    (
        "2.6.32",
        [
            "Out of memory: Kill process 8470 (gunicorn) score 63 or sacrifice child",
            "Killed process 8470, UID 500, (gunicorn) total-vm:340852kB, anon-rss:63568kB, file-rss:296kB",
        ],
        8470,
        False,
    ),
    (
        "3.x",
        [
            "May 10 15:38:53 host kernel: [1.4] Out of memory: Kill process 8470 (gunicorn) score 6 or sacrifice child",
            "May 10 15:38:53 host kernel: [123.4] Killed process 8470 (gunicorn) total-vm:340852kB, anon-rss:63568kB",
        ],
        8470,
        False,
    ),
    (
        "3.x memcg",
        [
            "Memory cgroup out of memory: Kill process 8470 (gunicorn) score 963 or sacrifice child",
            "Killed process 8470 (gunicorn) total-vm:340852kB, anon-rss:63568kB",
        ],
        8470,
        True,
    ),
    (
        "5.x",
        [
            (
                "[337533.31] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),oom_memcg=/d,task=gunicorn,"
                "pid=8470,uid=0"
            ),
            "[337533.31] Memory cgroup out of memory: Killed process 8470 (gunicorn) total-vm:2kB, anon-rss:5kB",
            "[337533.41] oom_reaper: reaped process 8470 (gunicorn), now anon-rss:0kB",
        ],
        8470,
        True,
    ),
    (
        "5.x global",
        ["Out of memory: Killed process 8470 (gunicorn) total-vm:2kB, anon-rss:5kB, UID:0 pgtables:9kB"],
        8470,
        False,
    ),
    (
        "dmesg -T",
        ["[Tue May 10 15:38:53 2022] Out of memory: Killed process 8470 (gunicorn) total-vm:2kB"],
        8470,
        False,
    ),
    (
        "journal JSON",
        ['{"MESSAGE": "Out of memory: Killed process 8470 (gunicorn) total-vm:2kB", "_TRANSPORT": "kernel"}'],
        8470,
        False,
    ),
]


@pytest.mark.parametrize(("kernel", "lines", "pid", "cgroup"), OOM, ids=[case[0] for case in OOM])
def test_kernel_records_of_one_kill_are_one_event(kernel: str, lines: list[str], pid: int, cgroup: bool) -> None:
    [found] = parse(*lines)
    assert isinstance(found, events.KernelOomKilled)
    assert (found.pid, found.process, found.cgroup) == (pid, "gunicorn", cgroup)


@pytest.mark.parametrize(
    "filler", [" ", "\t", "a", "a.", "[", "{", '"', "\\", "\x1b]", "\x1b[", "1 ", "a=b  ", "File ", "a/", "~^"]
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_long_lines_of_any_kind_take_no_long_time(filler: str, place: str) -> None:
    long = filler * (60_000 // len(filler))
    telling = MASTER + "[CRITICAL] WORKER TIMEOUT (pid:7)"
    # A pattern that takes the square of a line's length would run for minutes here, into the test's time limit.
    for _ in range(20):
        parse(long + telling if place == "before" else telling + long)
