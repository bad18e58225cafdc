"""Reports built by hand, as a person would meet them: what the renderers are tried on."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from gtdiag.model.report import (
    Blocked,
    Category,
    Confidence,
    Gap,
    GunicornFacts,
    How,
    Incident,
    IncidentKind,
    KernelOomRecord,
    KilledBy,
    Memory,
    MemoryPoint,
    Owner,
    Pattern,
    PatternKind,
    Period,
    Phase,
    Remedy,
    Report,
    Request,
    Source,
    StackFrame,
    Verdict,
    WaitingOn,
    Worker,
    WorkerEnd,
)

START = datetime(2025, 7, 22, 15, 6, 3, tzinfo=timezone.utc)
UVICORN = "uvicorn.workers.UvicornWorker"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def blocked_in_database(seconds: float = 27.4, confidence: Confidence = Confidence.HIGH) -> Blocked:
    return Blocked(
        category=Category.DATABASE,
        call="verify_database_migrations",
        file="/srv/app/main.py",
        line=41,
        path=("lifespan", "verify_database_migrations"),
        library="asyncpg",
        library_call="connect",
        waiting_on=WaitingOn(kind="socket", peer="10.0.0.5:5432", state="SYN_SENT", service="postgresql"),
        seconds=seconds,
        share=0.94,
        samples=28,
        confidence=confidence,
        how=How.ASYNCIO_TASK,
        stack=(
            StackFrame("LifespanOn.main", "/srv/venv/site-packages/uvicorn/lifespan/on.py", 86, Owner.LIBRARY),
            StackFrame("Router.lifespan", "/srv/venv/site-packages/starlette/routing.py", 693, Owner.LIBRARY),
            StackFrame("lifespan", "/srv/app/main.py", 58, Owner.APP),
            StackFrame("verify_database_migrations", "/srv/app/main.py", 41, Owner.APP),
            StackFrame("connect", "/srv/venv/site-packages/asyncpg/connection.py", 2329, Owner.LIBRARY),
            StackFrame("_connect_addr", "/srv/venv/site-packages/asyncpg/connect_utils.py", 931, Owner.LIBRARY),
            StackFrame("wait_for", "/usr/lib/python3.11/asyncio/tasks.py", 479, Owner.STDLIB),
        ),
        rule="GT-B07",
    )


def restart_loop() -> Report:
    """Four workers on 21.2.0, timed out in start-up and booted again, twice."""
    workers = []
    incidents = []
    for cycle in range(2):
        for number in range(4):
            pid = 7 + number + 4 * cycle
            booted = 31 * cycle + 0.1 * number
            blocked = blocked_in_database(27.4 + 0.2 * number)
            workers.append(
                Worker(
                    pid=pid,
                    ordinal=len(workers) + 1,
                    master_pid=1,
                    phase=Phase.EXITED,
                    booted_at=at(booted),
                    ready_at=None,
                    startup_s=None,
                    ended_at=at(booted + 30.6),
                    end=WorkerEnd.TIMEOUT,
                    end_signal="SIGABRT",
                    rss_bytes=96_300_000,
                    peak_rss_bytes=96_400_000,
                    blocked=blocked,
                    memory_points=(
                        MemoryPoint(at(booted + 0.4), 21_000_000),
                        MemoryPoint(at(booted + 2.4), 96_300_000),
                        MemoryPoint(at(booted + 30.4), 96_300_000),
                    ),
                )
            )
            incidents.append(
                Incident(
                    id=f"i{len(incidents) + 1}",
                    kind=IncidentKind.WORKER_TIMEOUT,
                    pid=pid,
                    ordinal=len(workers),
                    master_pid=1,
                    at=at(booted + 30.5),
                    resolved_at=None,
                    phase=Phase.STARTUP,
                    killed_by=KilledBy.GUNICORN,
                    summary=f"worker {pid} timed out in start-up after 30.5 s",
                    blocked=blocked,
                    memory=Memory(rss_bytes=96_300_000),
                    evidence=(
                        "master logged WORKER TIMEOUT after 30 s",
                        "28 of 28 samples show the task Task-1 awaiting asyncpg.connect",
                    ),
                )
            )
    return Report(
        gtdiag_version="0.1.0",
        source=Source(kind="live", pid=1),
        gunicorn=GunicornFacts(
            version="21.2.0",
            master_pid=1,
            worker_class=UVICORN,
            workers=4,
            timeout_s=30.0,
            preload=False,
            python="3.11.7",
        ),
        period=Period(at(0), at(70)),
        workers=tuple(workers),
        incidents=tuple(incidents),
        patterns=(
            Pattern(
                kind=PatternKind.RESTART_LOOP,
                summary="gunicorn kills and boots all 4 workers again every 31 s; none becomes ready.",
                confidence=Confidence.HIGH,
                pids=tuple(range(7, 15)),
                master_pid=1,
                cycles=2,
                period_s=31.0,
            ),
            Pattern(
                kind=PatternKind.STARTUP_CONTENTION,
                summary="4 of 4 workers run verify_database_migrations at the same time in start-up.",
                confidence=Confidence.HIGH,
                pids=(7, 8, 9, 10),
                master_pid=1,
                category=Category.DATABASE,
                call="verify_database_migrations",
                of_workers=4,
            ),
        ),
        verdict=Verdict(
            summary=(
                "4 of 4 workers were killed in start-up, blocked in verify_database_migrations (main.py:41): "
                "asyncpg.connect to 10.0.0.5:5432 gets no answer. gunicorn boots them again every 31 s."
            ),
            confidence=Confidence.HIGH,
            remedies=(
                Remedy(
                    id="GT-R03",
                    title="Give the connection a time-out of its own",
                    why="asyncpg.connect waits 60 s by default, longer than gunicorn's timeout of 30 s.",
                    how="Pass a time-out:\n\n    await asyncpg.connect(dsn, timeout=5)\n\nand fail with a message.",
                ),
                Remedy(
                    id="GT-R01",
                    title="Let one worker do the work of the start-up",
                    why="Each worker checks the migrations by itself.",
                    how="Run the check before gunicorn starts.",
                ),
            ),
        ),
        gaps=(),
    )


def silent_hang() -> Report:
    """gunicorn 27: four workers that never beat and will never be killed."""
    workers = tuple(
        Worker(
            pid=pid,
            ordinal=pid - 100,
            master_pid=100,
            phase=Phase.STARTUP,
            booted_at=at(0),
            ready_at=None,
            startup_s=None,
            ended_at=None,
            end=WorkerEnd.RUNNING,
            heartbeat_age_s=127.4,
            first_heartbeat_seen=False,
            rss_bytes=96_300_000,
            peak_rss_bytes=96_400_000,
            cpu_percent=0.0,
            startup_step="lifespan",
            blocked=blocked_in_database(125.1),
        )
        for pid in (101, 102, 103, 104)
    )
    incidents = tuple(
        Incident(
            id=f"i{worker.ordinal}",
            kind=IncidentKind.STARTUP_HANG,
            pid=worker.pid,
            ordinal=worker.ordinal,
            master_pid=100,
            at=at(30),
            resolved_at=None,
            phase=Phase.STARTUP,
            killed_by=KilledBy.NONE,
            summary=f"worker {worker.pid} has not beaten once in 127 s",
            blocked=worker.blocked,
            evidence=("heartbeat file: never beaten, 127.4 s old, timeout 30 s",),
        )
        for worker in workers
    )
    return Report(
        gtdiag_version="0.1.0",
        source=Source(kind="live", pid=100),
        gunicorn=GunicornFacts(
            version="27.0.1", master_pid=100, worker_class=UVICORN, workers=4, timeout_s=30.0, python="3.13.1"
        ),
        period=Period(at(0), at(128)),
        workers=workers,
        incidents=incidents,
        patterns=(
            Pattern(
                kind=PatternKind.SILENT_STARTUP_HANG,
                summary="4 of 4 workers hang before their first heartbeat; gunicorn 27.0.1 will not kill them.",
                confidence=Confidence.HIGH,
                pids=(101, 102, 103, 104),
                master_pid=100,
                of_workers=4,
            ),
        ),
        verdict=Verdict(
            summary=(
                "4 of 4 workers hang in start-up, blocked in verify_database_migrations; "
                "gunicorn 27.0.1 never times them out."
            ),
            confidence=Confidence.HIGH,
        ),
        gaps=(
            Gap("log", "the master's standard error is a pipe", "kubectl logs -f POD | gtdiag watch 100 --log -"),
            Gap("sockets", "netlink is not available"),
        ),
    )


def nothing_found() -> Report:
    """A healthy server seen in a log."""
    return Report(
        gtdiag_version="0.1.0",
        source=Source(kind="log", pid=None, files=("gunicorn.log",)),
        gunicorn=GunicornFacts(version="23.0.0", master_pid=10, worker_class="sync", workers=1, timeout_s=30.0),
        period=Period(at(0), at(3600 * 30)),
        workers=(
            Worker(
                pid=11,
                ordinal=1,
                master_pid=10,
                phase=Phase.SERVING,
                booted_at=at(0),
                ready_at=at(1.2),
                startup_s=1.2,
                ended_at=None,
                end=WorkerEnd.RUNNING,
            ),
        ),
        incidents=(),
        patterns=(),
        verdict=Verdict(
            summary="Nothing found: no worker timed out, was killed or failed.", confidence=Confidence.HIGH
        ),
        gaps=(),
    )


def boot_failure() -> Report:
    """A worker that could not import its application, and the master that stopped because of it."""
    return Report(
        gtdiag_version="0.1.0",
        source=Source(kind="log", pid=None, files=("-",)),
        gunicorn=GunicornFacts(version="20.1.0", master_pid=10, worker_class="sync", ended_at=at(2)),
        period=Period(at(0), at(2)),
        workers=(
            Worker(
                pid=11,
                ordinal=1,
                master_pid=10,
                phase=Phase.EXITED,
                booted_at=at(0),
                ready_at=None,
                startup_s=None,
                ended_at=at(1),
                end=WorkerEnd.BOOT_FAILURE,
                end_code=3,
            ),
        ),
        incidents=(
            Incident(
                id="i1",
                kind=IncidentKind.BOOT_FAILURE,
                pid=11,
                ordinal=1,
                master_pid=10,
                at=at(1),
                resolved_at=None,
                phase=Phase.STARTUP,
                killed_by=KilledBy.NONE,
                summary="worker 11 could not start: ModuleNotFoundError: No module named 'settings'",
                evidence=("-:4: Exception in worker process", "-:31: Reason: Worker failed to boot."),
            ),
        ),
        patterns=(),
        verdict=Verdict(
            summary="Worker 11 could not start (ModuleNotFoundError: No module named 'settings'), so gunicorn stopped.",
            confidence=Confidence.HIGH,
        ),
        gaps=(Gap("time_stamps", "the log's stamps have no offset", "taken as UTC"),),
        kernel_oom_kills=(KernelOomRecord(at(1), 4711, "stress", worker=False),),
    )


HOSTILE = "a\x1b[2Jb\x07\u202ec\u200bd\x9b31m [red]e[/red] <script>\udcff\r\n\tf"


def hostile() -> Report:
    """Everything that can come from a log or a process name carries something a terminal would obey."""
    base = restart_loop()
    blocked = Blocked(
        category=Category.HTTP,
        call=HOSTILE,
        file=f"/srv/{HOSTILE}.py",
        line=1,
        path=(HOSTILE, HOSTILE),
        library=HOSTILE,
        library_call=HOSTILE,
        waiting_on=WaitingOn("socket", HOSTILE, HOSTILE, HOSTILE),
        seconds=1.0,
        share=0.5,
        samples=2,
        confidence=Confidence.LOW,
        how=How.THREAD,
        stack=(StackFrame(HOSTILE, HOSTILE, None, Owner.APP),),
    )
    worker = base.workers[0]
    return Report(
        gtdiag_version="0.1.0",
        source=Source("log", None, (HOSTILE,)),
        gunicorn=GunicornFacts(version=HOSTILE, worker_class=HOSTILE, python=HOSTILE, stream=HOSTILE),
        period=base.period,
        workers=(
            Worker(
                pid=worker.pid,
                ordinal=1,
                master_pid=1,
                phase=Phase.SERVING,
                booted_at=None,
                ready_at=None,
                startup_s=None,
                ended_at=None,
                end=WorkerEnd.RUNNING,
                end_signal=HOSTILE,
                request=Request(HOSTILE, HOSTILE),
                blocked=blocked,
            ),
        ),
        incidents=(
            Incident(
                id="i1",
                kind=IncidentKind.WORKER_TIMEOUT,
                pid=7,
                ordinal=1,
                master_pid=1,
                at=None,
                resolved_at=None,
                phase=Phase.SERVING,
                killed_by=KilledBy.UNKNOWN,
                summary=HOSTILE,
                blocked=blocked,
                request=Request(HOSTILE, HOSTILE),
                evidence=(HOSTILE,),
            ),
        ),
        patterns=(Pattern(PatternKind.MISLEADING_OOM_MESSAGE, HOSTILE, Confidence.LOW, evidence=(HOSTILE,)),),
        verdict=Verdict(HOSTILE, Confidence.LOW, (Remedy("GT-R01", HOSTILE, HOSTILE, HOSTILE),)),
        gaps=(Gap(HOSTILE, HOSTILE, HOSTILE),),
        kernel_oom_kills=(KernelOomRecord(None, 1, HOSTILE, worker=True),),
    )


REPORTS = {
    "restart_loop": restart_loop,
    "silent_hang": silent_hang,
    "nothing_found": nothing_found,
    "boot_failure": boot_failure,
    "hostile": hostile,
}
