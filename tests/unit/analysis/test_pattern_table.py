"""Evidence to patterns as a truth table: one row a case, one column a kind of evidence, all workers fare alike.

Each pattern has a row that fires it and, beside it, one close by that must not. `.` means that this evidence is not
there. A new class of event fails `test_every_event_has_a_column` until it has one, a new kind of pattern
`test_every_pattern_fires_and_has_a_neighbour` until it has its rows.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from gtdiag.model import events
from gtdiag.model.report import Confidence, PatternKind
from gtdiag.model.stacks import Connection, SuspendedCode, ThreadStack
from tests.unit.analysis.story import LIFESPAN, LOOP, MASTER, Story, greenlet, main_thread, task, to_peer

COLUMNS: dict[str, set[type[events.Event]]] = {
    "master": {events.MasterSettings, events.MasterStarted, events.WorkerClassAnnounced, events.MasterSignalled},
    "workers": {events.WorkerBooted},
    "life": {events.HeartbeatSample, events.WorkerReady, events.WorkerRecycled},
    "stands in": {events.StackSample, events.SuspendedSample, events.TracebackLogged, events.RequestSample},
    "process": {events.ProcessSample},
    "cpu": {events.CpuSample, events.ProcessSample},
    "memory": {events.CgroupSample, events.KernelOomKilled},
    "sockets": {events.SocketSample},
    "end": {events.WorkerTimedOut, events.WorkerSignalled, events.WorkerExited},
}
NO_COLUMN: dict[type[events.Event], str] = {
    events.ObservationStarted: "frames the observation",
    events.HostSample: "tells the peer's name, not a pattern",
    events.HealthSample: "tells how the server answers, not what its workers do",
    events.ObservationEnded: "frames the observation",
    events.CollectionGap: "is passed on as it is",
    events.WorkersCounted: "is counted, not judged",
    events.MasterListening: "names a master",
    events.MasterShutDown: "ends a master",
    events.MasterHalted: "ends a master",
    events.MasterGone: "ends a master",
    events.WorkerProgressed: "tells the phase",
    events.StartupSample: "tells where the time of a start-up went; see test_startup_timeline",
    events.WorkerExiting: "goes with an exit",
    events.WorkerGracefulTimeout: "goes with a kill",
    events.WorkerBootFailed: "is an incident of its own",
}

# Every case: the master has a time-out of 10 s (graceful_timeout 30 s) and begins at 0; times are seconds from a boot.
# master: version, and what else is set or told: preload, on ext4 (heartbeat file), hup@5; "log" before it: a log only.
# workers: how many at once, x how many generations, one every 11 s.
# life: never = no heartbeat; ready = ready at 1 s and last beat at 1 s; beats = beats to the end; recycled = at 2 s.
# stands in: what looks (at 3, 6 and 9 s) show the main thread in; see STANDS.
# process: threads, state (2 thr, T, D), memory (grows = 2 MiB/s).
# cpu: of each second it ran 10 % and waited 85 % ("10/85"); quota = the cgroup was throttled, host = pressure.
# memory: use and limit in MiB, cached = 100 MiB of it inactive files; "kill" = the cgroup's count rises at 10 s.
# sockets: a connection to that peer; "shared" = other workers hold it, too.
# end: what comes at 10 s and later.
TABLE = """
master       |workers|life    |stands in  |process|cpu        |memory        |sockets   |end      ||patterns
21.2 asgi    |4x2    |never   |migrations |.      |.          |.             |db        |timeout  ||restart_loop+startup_contention
21.2 asgi    |1x2    |never   |migrations |.      |.          |.             |db        |timeout  ||restart_loop
21.2 asgi    |1x1    |never   |migrations |.      |.          |.             |db        |timeout  ||-
21.2 asgi    |4x1    |never   |migrations |.      |.          |.             |db        |timeout  ||startup_contention
27.0 asgi    |1x1    |never   |migrations |.      |.          |.             |db        |.@20     ||silent_startup_hang
27.0 asgi    |1x1    |never   |migrations |.      |.          |.             |db        |.@9      ||-
27.0 asgi    |1x1    |ready   |sync call  |.      |.          |.             |.         |timeout  ||blocking_call_in_event_loop
27.0 asgi    |1x1    |ready   |await      |.      |.          |.             |.         |timeout  ||-
27.0         |1x1    |ready   |.          |.      |.          |.             |.         |sigkill  ||misleading_oom_message
27.0         |1x1    |ready   |.          |.      |.          |100/256 kill  |.         |killed   ||memory_limit medium
27.0         |1x1    |ready   |.          |.      |.          |100/256       |.         |killed   ||misleading_oom_message
27.0         |1x1    |beats   |.          |grows  |.          |.             |.         |.@80     ||memory_growth
27.0         |1x1    |beats   |.          |level  |.          |.             |.         |.@80     ||-
27.0         |2x1    |beats   |.          |.      |.          |250/256       |.         |.@20     ||memory_limit
27.0         |2x1    |beats   |.          |.      |.          |250/256 cached|.         |.@20     ||-
27.0         |2x1    |beats   |.          |.      |.          |200/256       |.         |.@20     ||-
27.0         |1x1    |ready   |QueuePool  |.      |.          |.             |db        |timeout  ||pool_exhausted
27.0         |1x1    |ready   |new conn.  |.      |.          |.             |db        |timeout  ||-
27.0         |1x1    |ready   |psycopg    |.      |.          |.             |db        |timeout  ||pool_exhausted medium
27.0         |1x1    |ready   |psycopg    |.      |.          |.             |db away   |timeout  ||-
27.0         |1x1    |ready   |redis pool |.      |.          |.             |.         |timeout  ||pool_exhausted
27.0         |1x1    |ready   |redis mutex|.      |.          |.             |.         |timeout  ||-
27.0         |1x1    |ready   |http parser|.      |.          |.             |.         |timeout  ||idle_client
27.0         |1x1    |ready   |http parser|.      |.          |.             |.         |.@9      ||idle_client
27.0         |1x1    |ready   |sendall    |.      |.          |.             |.         |timeout  ||-
27.0         |1x1    |ready   |reads body |.      |.          |.             |.         |timeout  ||-
log 27.0     |1x1    |.       |no URI read|.      |.          |.             |.         |timeout  ||idle_client
log 27.0     |1x1    |.       |traceback  |.      |.          |.             |.         |timeout  ||-
21.2         |2x1    |ready   |.          |.      |10/85 quota|.             |.         |timeout  ||cpu_starvation
21.2         |2x1    |ready   |.          |.      |10/85 host |.             |.         |timeout  ||cpu_starvation
21.2         |1x1    |ready   |.          |.      |10/85      |.             |.         |timeout  ||cpu_starvation medium
21.2         |1x1    |ready   |.          |.      |10/85 quota|.             |.         |.@9      ||cpu_starvation
21.2         |1x1    |ready   |.          |.      |99/1       |.             |.         |timeout  ||-
21.2         |1x1    |ready   |sleep      |.      |0/0 quota  |.             |.         |timeout  ||-
21.2         |1x1    |beats   |.          |.      |10/85 quota|.             |.         |.@9      ||-
21.2 on ext4 |1x1    |ready   |notify     |D      |.          |.             |.         |timeout  ||slow_heartbeat_disk
21.2 on ext4 |1x1    |ready   |notify     |.      |.          |.             |.         |timeout  ||slow_heartbeat_disk medium
21.2 on tmpfs|1x1    |ready   |notify     |D      |.          |.             |.         |timeout  ||-
21.2 on ext4 |1x1    |ready   |open       |D      |.          |.             |.         |timeout  ||-
27.0 preload |2x1    |beats   |handler    |.      |.          |.             |db shared |.@20     ||shared_socket
27.0 preload |2x1    |beats   |handler    |.      |.          |.             |log shared|.@20     ||-
27.0 preload |2x1    |beats   |handler    |.      |.          |.             |db        |.@20     ||-
27.0 preload |1x1    |ready   |lock       |1 thr  |.          |.             |.         |timeout  ||fork_inherited_lock medium
27.0 preload |1x1    |ready   |lock       |2 thr  |.          |.             |.         |timeout  ||-
27.0         |1x1    |ready   |lock       |1 thr  |.          |.             |.         |timeout  ||-
27.0 preload |1x1    |ready   |file lock  |1 thr  |.          |.             |.         |timeout  ||-
27.0         |1x1    |recycled|sleep      |.      |.          |.             |.         |timeout  ||drain_timeout
27.0 hup@5   |1x1    |ready   |sleep      |.      |.          |.             |.         |timeout  ||drain_timeout medium
27.0         |1x1    |ready   |sleep      |.      |.          |.             |.         |timeout  ||-
27.0 hup@5   |1x1    |ready   |sleep      |.      |.          |.             |.         |killed@35||graceful_timeout_kill+misleading_oom_message
27.0 hup@5   |1x1    |ready   |sleep      |.      |.          |.             |.         |killed@7 ||-
27.0         |3x1    |ready   |idle       |T      |.          |.             |.         |timeout  ||group_stall
27.0         |3x1    |ready   |idle       |.      |.          |.             |.         |timeout  ||-
21.2         |3x1    |ready   |idle       |pause  |.          |.             |.         |timeout  ||group_stall
log 20.1     |3x1    |.       |.          |.      |.          |.             |.         |timeout  ||group_stall low
log 20.1     |2x1    |.       |.          |.      |.          |.             |.         |timeout  ||-
log 27.0     |3x1    |.       |traceback  |.      |.          |.             |.         |timeout  ||-
"""  # noqa: E501

HEADER, *ROWS = [[cell.strip() for cell in line.replace("||", "|").split("|")] for line in TABLE.strip().splitlines()]
ELSEWHERE = {PatternKind.SLOW_STARTUP: "compares workers with each other; here all fare alike"}

SERVE = ("gunicorn/arbiter.py:Arbiter.spawn_worker", "gunicorn/workers/sync.py:SyncWorker.run_for_one")
CALL = (*SERVE, "gunicorn/workers/sync.py:SyncWorker.handle_request", "app:handler")
CONDITION = "std/threading.py:Condition.wait"
PARSER = (*SERVE, "gunicorn/http/parser.py:Parser.__next__", "gunicorn/http/unreader.py:SocketUnreader.chunk")
STANDS: dict[str, tuple[str, ...]] = {
    "idle": (*SERVE, "gunicorn/workers/sync.py:SyncWorker.wait"),
    "handler": (*CALL, "std/time.py:sleep"),
    "sleep": (*CALL, "std/time.py:sleep"),
    "open": (*CALL, "std/pathlib.py:Path.read_text"),
    "notify": (*SERVE, "gunicorn/workers/base.py:Worker.notify", "gunicorn/workers/workertmp.py:WorkerTmp.notify"),
    "http parser": PARSER,
    "sendall": (*SERVE, "gunicorn/http/wsgi.py:Response.write", "gunicorn/util.py:write"),
    "reads body": (*CALL, "gunicorn/http/body.py:Body.read", "gunicorn/http/unreader.py:SocketUnreader.chunk"),
    "lock": (*CALL, "std/threading.py:Condition.wait"),
    "file lock": (*CALL, "filelock/_api.py:BaseFileLock.acquire"),
    "QueuePool": (
        *CALL,
        "sqlalchemy/engine/base.py:Engine.connect",
        "sqlalchemy/pool/impl.py:QueuePool._do_get",
        "sqlalchemy/util/queue.py:Queue.get",
        CONDITION,
    ),
    "new conn.": (
        *CALL,
        "sqlalchemy/engine/base.py:Engine.connect",
        "sqlalchemy/pool/impl.py:QueuePool._do_get",
        "sqlalchemy/pool/base.py:_ConnectionRecord.__connect",
        "psycopg2/__init__.py:connect",
    ),
    "psycopg": (
        *CALL,
        "psycopg_pool/pool.py:ConnectionPool.getconn",
        "psycopg_pool/pool.py:WaitingClient.wait",
        CONDITION,
    ),
    "redis pool": (
        *CALL,
        "redis/client.py:Redis.execute_command",
        "redis/connection.py:BlockingConnectionPool.get_connection",
        "std/queue.py:Queue.get",
        CONDITION,
    ),
    "redis mutex": (
        *CALL,
        "redis/client.py:Redis.execute_command",
        "redis/connection.py:ConnectionPool.get_connection",
    ),
}
ON_LOOP = (*LOOP[:3], "std/asyncio/events.py:Handle._run", "app:handler", "requests/api.py:get")


def told(case: dict[str, str]) -> Story:
    """The story of one row."""
    words = case["master"].split()
    log_only = words[0] == "log"
    story = Story(log_only=log_only)
    at_once, generations = (int(number) for number in case["workers"].split("x"))
    story.master(
        version=words[1] if log_only else words[0],
        timeout_s=10,
        graceful_timeout_s=30,
        workers=at_once,
        worker_class="uvicorn.workers.UvicornWorker" if "asgi" in words else "sync",
        preload="preload" in words or None,
        heartbeat_filesystem=words[words.index("on") + 1] if "on" in words else None,
    )
    if "kill" in case["memory"] or case["end"].startswith("killed"):
        story.cgroup(at=0, oom_kill=0)
    for generation in range(generations):
        pids = [10 * generation + number + 1 for number in range(at_once)]
        _live(story, case, pids, generation * 11.0)
    return story


def _live(story: Story, case: dict[str, str], pids: list[int], start: float) -> None:
    for pid in pids:
        story.boots(pid, at=start)
    if case["life"] in ("ready", "beats", "recycled"):
        for pid in pids:
            story.ready(pid, at=start + 1)
    end, _, when = case["end"].partition("@")
    until = float(when or 10)
    for second in range(1, int(until) + 1):
        if case["process"] == "pause" and 2 < second < 10:
            continue
        _sample(story, case, pids, start, second)
    if "hup@5" in case["master"]:
        story.master_is_told("hup", at=start + 5)
    if case["life"] == "recycled":
        for pid in pids:
            story.recycles(pid, at=start + 2)
    for pid in pids:
        _end(story, case, pid, end, start + until)


def _sample(story: Story, case: dict[str, str], pids: list[int], start: float, second: int) -> None:
    if story.log_only:
        return
    at = start + second
    story.process(MASTER, at)
    _sample_cgroup(story, case, second, at)
    ran, _, waited = case["cpu"].partition(" ")[0].partition("/")
    for pid in pids:
        age_s = {"never": float(second), "beats": 0.1}.get(case["life"], second - 1.0)
        story.beats(pid, at, age_s=age_s, ever=case["life"] != "never")
        state = case["process"] if case["process"] in ("T", "D") else "S"
        story.process(
            pid,
            at,
            state=state,
            threads=int(case["process"][0]) if case["process"].endswith("thr") else 1,
            rss_bytes=(50 + (2 * second if case["process"] == "grows" else 0)) << 20,
            ran_s=second * int(ran) / 100 if waited else None,
            waited_s=second * int(waited) / 100 if waited else None,
        )
        if second in (3, 6, 9):
            _look(story, case, pid, pids, at)


def _sample_cgroup(story: Story, case: dict[str, str], second: int, at: float) -> None:
    used, _, limit = case["memory"].partition(" ")[0].partition("/")
    if limit:
        cached = 100 << 20 if case["memory"].endswith("cached") else 0
        use_bytes, limit_bytes = int(used) << 20, int(limit) << 20
        story.cgroup(at, oom_kill=0, limit_bytes=limit_bytes, current_bytes=use_bytes, inactive_file_bytes=cached)
    if "quota" in case["cpu"]:
        story.cpu(at, periods=10 * second, throttled=9 * second, quota_cores=0.1)
    elif "host" in case["cpu"]:
        story.cpu(at, pressure_s=0.95 * second)


def _look(story: Story, case: dict[str, str], pid: int, pids: list[int], at: float) -> None:
    story.sockets(pid, at, *_connections(case["sockets"], tuple(other for other in pids if other != pid)))
    where = case["stands in"]
    tasks: tuple[SuspendedCode, ...] | None = None
    thread: ThreadStack | None = None
    if where == "migrations":
        thread, tasks = main_thread(*LOOP), (task(*LIFESPAN, "app:migrate", "asyncpg/connection.py:connect"),)
    elif where == "await":
        thread, tasks = main_thread(*LOOP), (task("app:handler", "httpx/_client.py:get"),)
    elif where == "sync call":
        thread, tasks = main_thread(*ON_LOOP), ()
    elif where in STANDS:
        thread = main_thread(*STANDS[where])
    if thread is not None:
        story.looks(pid, at, thread, tasks=tasks)


def _connections(cell: str, others: tuple[int, ...]) -> tuple[Connection, ...]:
    if cell.startswith("db"):
        found = to_peer("10.0.3.7:5432", "SYN_SENT" if cell == "db away" else "ESTABLISHED")
    elif cell.startswith("log"):
        found = Connection(fd=4, family="unix", local="", peer="/dev/log", state="UNIX")
    else:
        return ()
    shared = (MASTER, *others) if cell.endswith("shared") else ()
    return (replace(found, inode=77, shared_with=shared),)


def _end(story: Story, case: dict[str, str], pid: int, end: str, at: float) -> None:
    if end in ("timeout", "sigkill"):
        story.times_out(pid, at=at)
        if case["stands in"] == "no URI read":
            story.no_uri_read(pid, at)
        elif case["stands in"] == "traceback":
            story.traceback(pid, at, "app:handler", "std/time.py:sleep")
        story.dies(pid, at=at + 1, signal="SIGKILL" if end == "sigkill" else "SIGABRT", perhaps_oom=end == "sigkill")
    elif end == "killed":
        story.dies(pid, at=at, signal="SIGKILL")
        story.cgroup(at + 1, oom_kill=int("kill" in case["memory"]), limit_bytes=256 << 20, current_bytes=100 << 20)


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(cell for cell in row if cell != ".") for row in ROWS])
def test_patterns(row: list[str]) -> None:
    case = dict(zip(HEADER, row, strict=True))
    found = told(case).report().patterns
    wanted, _, confidence = case["patterns"].partition(" ")
    assert sorted({p.kind.value for p in found}) == ([] if wanted == "-" else sorted(wanted.split("+")))
    if "+" not in wanted and wanted != "-":
        assert {p.confidence for p in found} == {Confidence(confidence or "high")} or _any_confidence(
            wanted, confidence
        )
    for pattern in found:
        assert pattern.summary and pattern.pids
        assert pattern.master_pid == MASTER


def _any_confidence(kind: str, stated: str) -> bool:
    """Patterns whose confidence is that of the blame, which other tests look at."""
    return not stated and kind in ("startup_contention", "blocking_call_in_event_loop", "memory_growth", "restart_loop")


def test_every_column_is_in_the_table() -> None:
    assert [*COLUMNS, "patterns"] == HEADER


def test_every_event_has_a_column_or_a_reason() -> None:
    with_column = set().union(*COLUMNS.values())
    assert with_column | set(NO_COLUMN) == set(events.EVENT_CLASSES)
    assert not with_column & set(NO_COLUMN)


def test_every_pattern_fires_and_has_a_neighbour() -> None:
    cells = [row[HEADER.index("patterns")].partition(" ")[0] for row in ROWS]
    for kind in set(PatternKind) - set(ELSEWHERE):
        fires = [index for index, cell in enumerate(cells) if kind.value in cell.split("+")]
        assert fires, f"no row fires {kind.value}"
        around = {index + step for index in fires for step in (-4, -3, -2, -1, 1, 2, 3, 4)} & set(range(len(cells)))
        alike = max(
            (sum(a == b for a, b in zip(ROWS[i][:-1], ROWS[j][:-1], strict=True)), j)
            for i in fires
            for j in around
            if kind.value not in cells[j].split("+")
        )
        assert alike[0] >= len(HEADER) - 3, f"the row nearest to {kind.value} is not close by"


def test_greenlets_are_looked_at_too() -> None:
    story = Story()
    story.master(timeout_s=10, worker_class="gevent")
    story.boots(1, at=0)
    for at in (3.0, 6.0, 9.0):
        chain = greenlet("gunicorn/arbiter.py:Arbiter.run", *STANDS["psycopg"][2:])
        story.sockets(1, at, to_peer("10.0.3.7:5432"))
        story.looks(1, at, main_thread("gevent/hub.py:Hub.run", "gevent/_hub.py:wait"), tasks=(chain,))
    story.times_out(1, at=10)
    assert [p.kind for p in story.report().patterns] == [PatternKind.POOL_EXHAUSTED]
