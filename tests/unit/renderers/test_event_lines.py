from __future__ import annotations

from datetime import datetime, timezone

import pytest

from gtdiag.model.events import (
    EVENT_CLASSES,
    CgroupSample,
    CollectionGap,
    CpuSample,
    Event,
    HealthSample,
    HeartbeatSample,
    HostSample,
    KernelOomKilled,
    MasterGone,
    MasterHalted,
    MasterListening,
    MasterSettings,
    MasterShutDown,
    MasterSignalled,
    MasterStarted,
    ObservationEnded,
    ObservationStarted,
    ProcessSample,
    RequestSample,
    SocketSample,
    StackSample,
    StartupSample,
    SuspendedSample,
    TracebackLogged,
    WorkerBooted,
    WorkerBootFailed,
    WorkerClassAnnounced,
    WorkerExited,
    WorkerExiting,
    WorkerGracefulTimeout,
    WorkerProgressed,
    WorkerReady,
    WorkerRecycled,
    WorkersCounted,
    WorkerSignalled,
    WorkerTimedOut,
)
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.model.stacks import Frame
from gtdiag.renderers.event_lines import render_blocked_line, render_event_line
from tests.unit.renderers import sample_reports

BASE = {"origin": Origin("log"), "at": datetime(2025, 7, 22, 15, 6, 33, tzinfo=timezone.utc), "worker": WorkerId(7)}
FRAMES = (Frame("handle", "/srv/app/main.py", 41),)

LINES: list[tuple[Event, str]] = [
    (ObservationStarted(**BASE, kind="live", pid=1), "15:06:33 watching master 1"),
    (ObservationStarted(**BASE, kind="log", files=("a.log",)), "15:06:33 reading a.log"),
    (ObservationEnded(**BASE, reason="master_gone"), "15:06:33 end of the observation (the master is gone)"),
    (
        CollectionGap(**BASE, what="suspended_code", why="ptrace not permitted", hint="sudo gtdiag watch 1"),
        "15:06:33 cannot see the suspended code of worker 7: ptrace not permitted (hint: sudo gtdiag watch 1)",
    ),
    (MasterStarted(**BASE, version="21.2.0"), "15:06:33 gunicorn 21.2.0 starts"),
    (
        MasterSettings(**BASE, version="27.0.1", worker_class="sync", workers=1, timeout_s=30.0, preload=True),
        "15:06:33 gunicorn 27.0.1, sync, 1 worker, timeout 30 s, preload",
    ),
    (MasterSignalled(**BASE, signal="hup"), "15:06:33 the master handles signal hup"),
    (MasterShutDown(**BASE), "15:06:33 the master shuts down"),
    (MasterHalted(**BASE, reason="Worker failed to boot."), "15:06:33 the master halts: Worker failed to boot."),
    (MasterGone(**BASE), "15:06:33 the master is gone"),
    (WorkerBooted(**BASE), "15:06:33 worker 7 booted"),
    (WorkerProgressed(**BASE, step="lifespan"), "15:06:33 worker 7 runs the application's lifespan start-up"),
    (WorkerReady(**BASE), "15:06:33 worker 7 is ready"),
    (WorkerTimedOut(**BASE), "15:06:33 worker 7 TIMED OUT: gunicorn saw no heartbeat and aborts it"),
    (WorkerSignalled(**BASE, signal="SIGKILL"), "15:06:33 worker 7 died of SIGKILL"),
    (WorkerSignalled(**BASE, signal="SIGSEGV", core_dumped=True), "15:06:33 worker 7 died of SIGSEGV, core dumped"),
    (WorkerExited(**BASE, code=3), "15:06:33 worker 7 exited with code 3"),
    (WorkerExited(**BASE), "15:06:33 worker 7 exited"),
    (WorkerRecycled(**BASE), "15:06:33 worker 7 is recycled (max_requests)"),
    (
        WorkersCounted(**{**BASE, "worker": None}, workers=1200, timed_out=1100),
        "15:06:33 1,200 workers had trouble until then, 1,100 timed out; they were only counted",
    ),
    (WorkerGracefulTimeout(**BASE), "15:06:33 worker 7 did not stop within the graceful time-out"),
    (
        WorkerBootFailed(**BASE, reason="cannot connect to postgresql://a:b@c"),
        "15:06:33 worker 7 could not start: cannot connect to postgresql://a:***@c",
    ),
    (
        TracebackLogged(**BASE, kind="abort", frames=FRAMES, interrupted=True),
        "15:06:33 worker 7: its traceback was logged, interrupted in handle at /srv/app/main.py:41",
    ),
    (
        KernelOomKilled(**BASE, pid=4711, process="gunicorn\x1b[2J"),
        r"15:06:33 the kernel killed gunicorn\x1b[2J (pid 4711), out of memory",
    ),
]

SILENT: list[Event] = [
    MasterListening(**BASE, address="x"),
    WorkerClassAnnounced(**BASE, worker_class="sync"),
    WorkerExiting(**BASE),
    TracebackLogged(**BASE, kind="exception", frames=FRAMES),
    HeartbeatSample(**BASE, age_s=1.0, ever=True),
    ProcessSample(**BASE, rss_bytes=1),
    StackSample(**BASE, threads=()),
    StartupSample(**BASE),
    HealthSample(**BASE, url="http://h/", status=200, latency_s=0.1),
    SuspendedSample(**BASE, suspended=()),
    RequestSample(**BASE, requests=()),
    HostSample(**BASE, hosts=()),
    SocketSample(**BASE, connections=()),
    CgroupSample(**BASE, limit_bytes=None, current_bytes=None, oom_kill=None),
    CpuSample(**BASE, quota_cores=0.5),
]


@pytest.mark.parametrize(("event", "line"), LINES)
def test_lines(event: Event, line: str) -> None:
    assert render_event_line(event) == line


@pytest.mark.parametrize("event", SILENT)
def test_no_line_for_what_is_no_news(event: Event) -> None:
    assert render_event_line(event) is None


def test_every_class_of_event_was_thought_of() -> None:
    assert {type(event) for event, _ in LINES} | {type(event) for event in SILENT} == set(EVENT_CLASSES)


def test_an_event_without_a_time() -> None:
    assert render_event_line(WorkerBooted(origin=Origin("log"))) == "--:--:-- a worker booted"


def test_what_a_worker_is_blocked_in() -> None:
    assert render_blocked_line(sample_reports.silent_hang().workers[0], "15:06:34") == (
        "15:06:34 worker 101 is blocked in verify_database_migrations (database: asyncpg.connect) "
        "at /srv/app/main.py:41, waiting on socket 10.0.0.5:5432 (postgresql), SYN_SENT, for 2 min 5 s"
    )
