"""Evidence to judgement as a truth table: one row a case, one column a kind of evidence.

`.` means that this evidence is not there. A new class of event fails `test_every_event_has_a_column` until it has one.
"""

from __future__ import annotations

import pytest

from gtdiag.model import events
from gtdiag.model.report import IncidentKind, KilledBy, WorkerEnd
from tests.unit.analysis.story import MASTER, Story, main_thread

# Which events each column of the table stands for.
COLUMNS: dict[str, set[type[events.Event]]] = {
    "version": {events.MasterSettings, events.MasterStarted},
    "master": {events.StackSample, events.SuspendedSample},
    "heartbeat": {events.HeartbeatSample, events.WorkerReady},
    "timeout": {events.WorkerTimedOut},
    "signal": {events.WorkerSignalled},
    "exit": {events.WorkerExited},
    "boot": {events.WorkerBootFailed},
    "told": {events.MasterSignalled},
    "oom": {events.KernelOomKilled, events.CgroupSample},
}
# Events that never decide what happened to a worker or who did it, with the reason.
NO_COLUMN: dict[type[events.Event], str] = {
    events.ObservationStarted: "frames the observation",
    events.HealthSample: "tells how the server answers, not what its workers do",
    events.ObservationEnded: "frames the observation",
    events.CollectionGap: "is passed on as it is",
    events.WorkersCounted: "is counted, not judged",
    events.MasterListening: "names a master",
    events.WorkerClassAnnounced: "names a master's worker class",
    events.MasterShutDown: "ends a master",
    events.MasterHalted: "ends a master",
    events.MasterGone: "ends a master",
    events.WorkerBooted: "begins a life; every row has it",
    events.WorkerProgressed: "tells the phase",
    events.WorkerExiting: "goes with an exit",
    events.WorkerRecycled: "tells the phase",
    events.WorkerGracefulTimeout: "goes with a kill",
    events.TracebackLogged: "tells the call, not the fate",
    events.ProcessSample: "tells memory and CPU",
    events.StartupSample: "tells where the time of a start-up went, not the fate",
    events.RequestSample: "tells the request, not the fate",
    events.SocketSample: "tells the call, not the fate",
    events.HostSample: "tells the peer's name, not the fate",
    events.CpuSample: "tells why, not the fate",
}

# version: of gunicorn; "?" unknown, "log" before it: only a log is there, nobody watched.
# master: loading@31 = 31 s after its start it was seen loading the application (--preload), there is no worker;
#   unseen = the same, but nobody could look into it; idle = in its own loop, without workers.
# heartbeat: never@40 = never beaten, 40 s after boot; beat@3 = last one 3 s ago; ready = ready, then nothing known.
# oom: record and other = the kernel's log names this pid, or another; rise = the cgroup's count rises; count = it is
#   read at the start and stays as it is, count@22 = and is read again then.
# timeout, signal, exit, boot, told, oom: what was seen, at which second (SIGKILL@31), or a count (rise@31).
TABLE = """
version |master    |heartbeat|timeout|signal    |exit   |boot|told   |oom      ||kind          |killed_by |end
21.2.0  |.         |beat@3   |.      |.         |.      |.   |.      |.        ||-             |none      |running
21.2.0  |.         |never@9  |.      |.         |.      |.   |.      |.        ||-             |none      |running
21.2.0  |.         |never@31 |@30    |SIGABRT@30|.      |.   |.      |.        ||worker_timeout|gunicorn  |timeout
21.2.0  |.         |never@31 |@30    |SIGKILL@31|.      |.   |.      |.        ||worker_timeout|gunicorn  |timeout
21.2.0  |.         |never@31 |@30    |.         |none@31|.   |.      |.        ||worker_timeout|gunicorn  |timeout
21.2.0  |.         |beat@30  |@30    |.         |.      |.   |.      |.        ||worker_timeout|none      |running
21.2.0  |.         |never@30 |.      |.         |none@31|.   |.      |.        ||worker_timeout|gunicorn  |timeout
21.2.0  |.         |beat@30  |.      |.         |none@31|.   |.      |.        ||worker_timeout|gunicorn  |timeout
21.2.0  |.         |beat@3   |.      |.         |none@31|.   |.      |.        ||-             |none      |exit
27.0.1  |.         |never@29 |.      |.         |.      |.   |.      |.        ||-             |none      |running
27.0.1  |.         |never@45 |.      |.         |.      |.   |.      |.        ||startup_hang  |none      |running
27.0.1  |.         |never@45 |.      |SIGKILL@75|.      |.   |term@45|.        ||startup_hang  |gunicorn  |sigkill
27.0.1  |.         |never@45 |.      |.         |none@46|.   |.      |.        ||startup_hang  |unknown   |exit
?       |.         |never@32 |.      |.         |.      |.   |.      |.        ||-             |none      |running
?       |.         |never@45 |.      |.         |.      |.   |.      |.        ||startup_hang  |none      |running
27.0.1  |.         |beat@3   |.      |SIGKILL@20|.      |.   |.      |count@22 ||external_kill |external  |sigkill
27.0.1  |.         |beat@3   |.      |SIGKILL@20|.      |.   |.      |count    ||external_kill |unknown   |sigkill
27.0.1  |.         |beat@3   |.      |.         |none@50|.   |term@20|.        ||worker_exit   |gunicorn  |sigkill
27.0.1  |.         |beat@3   |.      |.         |none@40|.   |term@20|.        ||-             |none      |exit
27.0.1  |.         |beat@3   |.      |SIGKILL@20|.      |.   |.      |.        ||external_kill |unknown   |sigkill
27.0.1  |.         |beat@3   |.      |SIGKILL@20|.      |.   |.      |rise@20  ||oom_kill      |kernel_oom|oom
27.0.1  |.         |beat@3   |.      |.         |none@20|.   |.      |rise@20  ||oom_kill      |kernel_oom|oom
27.0.1  |.         |beat@3   |.      |SIGKILL@20|.      |.   |.      |record@20||oom_kill      |kernel_oom|oom
27.0.1  |.         |beat@3   |.      |SIGKILL@20|.      |.   |.      |other@20 ||external_kill |unknown   |sigkill
27.0.1  |.         |beat@3   |.      |SIGKILL@50|.      |.   |hup@20 |.        ||worker_exit   |gunicorn  |sigkill
27.0.1  |.         |beat@3   |.      |SIGKILL@21|.      |.   |hup@20 |.        ||worker_exit   |unknown   |sigkill
27.0.1  |.         |beat@3   |.      |SIGKILL@19|.      |.   |hup@20 |.        ||external_kill |unknown   |sigkill
27.0.1  |.         |beat@3   |.      |SIGTERM@20|.      |.   |hup@20 |.        ||-             |none      |signal
27.0.1  |.         |beat@3   |.      |SIGSEGV@20|.      |.   |.      |.        ||worker_crash  |none      |signal
27.0.1  |.         |beat@3   |.      |SIGABRT@20|.      |.   |.      |.        ||worker_crash  |none      |signal
27.0.1  |.         |beat@3   |.      |.         |0@20   |.   |.      |.        ||-             |none      |exit
27.0.1  |.         |beat@3   |.      |.         |1@20   |.   |.      |.        ||worker_exit   |none      |exit
27.0.1  |.         |beat@3   |.      |.         |1@21   |.   |term@20|.        ||-             |none      |exit
27.0.1  |.         |beat@30  |@30    |.         |1@31   |.   |.      |.        ||worker_timeout|gunicorn  |timeout
27.0.1  |.         |never@2  |.      |.         |3@2    |@1  |.      |.        ||boot_failure  |none      |boot_failure
27.0.1  |.         |.        |.      |.         |3@2    |.   |.      |.        ||boot_failure  |none      |boot_failure
27.0.1  |.         |.        |.      |.         |4@2    |.   |.      |.        ||boot_failure  |none      |boot_failure
20.1.0  |.         |.        |.      |SIGTERM@2 |.      |@1  |.      |.        ||boot_failure  |none      |boot_failure
log 23.0|.         |.        |@30    |SIGKILL@31|.      |.   |.      |.        ||worker_timeout|gunicorn  |timeout
log 20.0|.         |.        |@30    |.         |.      |.   |.      |.        ||worker_timeout|gunicorn  |timeout
log 23.0|.         |.        |.      |SIGKILL@31|.      |.   |.      |.        ||external_kill |unknown   |sigkill
log 23.0|.         |.        |.      |SIGKILL@31|.      |.   |.      |record@31||oom_kill      |kernel_oom|oom
log 23.0|.         |.        |.      |SIGKILL@50|.      |.   |term@20|.        ||worker_exit   |gunicorn  |sigkill
log 27.0|.         |.        |.      |.         |.      |.   |.      |.        ||-             |none      |running
21.2.0  |loading@9 |.        |.      |.         |.      |.   |.      |.        ||-             |none      |-
21.2.0  |loading@31|.        |.      |.         |.      |.   |.      |.        ||master_hang   |none      |-
27.0.1  |loading@31|.        |.      |.         |.      |.   |.      |.        ||master_hang   |none      |-
27.0.1  |unseen@31 |.        |.      |.         |.      |.   |.      |.        ||master_hang   |none      |-
27.0.1  |unseen@9  |.        |.      |.         |.      |.   |.      |.        ||-             |none      |-
27.0.1  |idle@31   |.        |.      |.         |.      |.   |.      |.        ||-             |none      |-
"""

HEADER, *ROWS = [[cell.strip() for cell in line.replace("||", "|").split("|")] for line in TABLE.strip().splitlines()]
PID = 7


def told(case: dict[str, str]) -> Story:
    """The story of one row."""
    log_only = case["version"].startswith("log")
    story = Story(log_only=log_only)
    version = case["version"].removeprefix("log ")
    if version == "?":
        story.master(version="", timeout_s=30)
    else:
        story.master(version=version, timeout_s=30, graceful_timeout_s=30)
    if case["master"] != ".":
        return _without_workers(story, case["master"].partition("@")[0], _at(case["master"]))
    if case["oom"].startswith("count") or case["oom"].startswith("rise"):
        story.cgroup(at=0, oom_kill=3)
    story.boots(PID, at=0)
    seen, _, number = case["heartbeat"].partition("@")
    if seen == "never":
        story.beats(PID, at=float(number), age_s=float(number), ever=False)
    elif seen == "beat":
        story.beats(PID, at=max(4.0, float(number)), age_s=float(number), ever=True)
    if case["boot"] != ".":
        story.fails_to_boot(PID, at=_at(case["boot"]))
    if case["told"] != ".":
        story.master_is_told(case["told"].partition("@")[0], at=_at(case["told"]))
    if case["timeout"] != ".":
        story.times_out(PID, at=_at(case["timeout"]))
    kind = case["oom"].partition("@")[0]
    if kind == "record":
        story.kernel_kills(PID, at=_at(case["oom"]))
    elif kind == "other":
        story.kernel_kills(999, at=_at(case["oom"]), process="leaker")
    elif kind == "rise":
        story.cgroup(at=_at(case["oom"]), oom_kill=4)
    if case["signal"] != ".":
        story.dies(PID, at=_at(case["signal"]), signal=case["signal"].partition("@")[0])
    if case["oom"].startswith("count@"):
        story.cgroup(at=_at(case["oom"]), oom_kill=3)
    if case["exit"] != ".":
        code = case["exit"].partition("@")[0]
        story.exits(PID, at=_at(case["exit"]), code=None if code == "none" else int(code))
    return story


def _without_workers(story: Story, what: str, at: float) -> Story:
    story.master_process(at=0, preload=True)
    outer = ("gunicorn/app/base.py:Application.run",)
    if what == "loading":
        frames = (*outer, "gunicorn/arbiter.py:Arbiter.setup", "app:open_database", "psycopg2/__init__.py:connect")
        story.looks_at_master(at, main_thread(*frames))
    elif what == "idle":
        frames = (*outer, "gunicorn/arbiter.py:Arbiter.run", "gunicorn/arbiter.py:Arbiter.sleep")
        story.looks_at_master(at, main_thread(*frames))
    story.ends(at=at)
    return story


def _at(cell: str) -> float:
    return float(cell.partition("@")[2])


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(cell for cell in row if cell != ".") for row in ROWS])
def test_judgement(row: list[str]) -> None:
    case = dict(zip(HEADER, row, strict=True))
    report = told(case).report()
    if case["end"] == "-":
        assert report.workers == ()
    else:
        (worker,) = report.workers
        assert worker.end is WorkerEnd(case["end"])
    if case["kind"] == "-":
        assert report.incidents == ()
    else:
        (incident,) = report.incidents
        assert incident.kind is IncidentKind(case["kind"])
        assert incident.killed_by is KilledBy(case["killed_by"])
        assert incident.pid == (None if incident.kind is IncidentKind.MASTER_HANG else PID)
        assert str(incident.pid or MASTER) in incident.summary


def test_every_column_is_in_the_table() -> None:
    assert [*COLUMNS, "kind", "killed_by", "end"] == HEADER


def test_every_event_has_a_column_or_a_reason() -> None:
    with_column = set().union(*COLUMNS.values())
    assert with_column | set(NO_COLUMN) == set(events.EVENT_CLASSES)
    assert not with_column & set(NO_COLUMN)


def test_every_kind_that_is_found_is_in_the_table() -> None:
    found = {row[HEADER.index("kind")] for row in ROWS} - {"-"}
    assert found == {kind.value for kind in IncidentKind}


def test_a_start_up_that_was_only_slow_is_resolved() -> None:
    story = Story()
    story.master(version="27.0.1", timeout_s=30)
    story.boots(PID, at=0)
    story.beats(PID, at=40, age_s=40, ever=False)
    story.ready(PID, at=45)
    story.beats(PID, at=46, age_s=1, ever=True)
    incident = story.incident()
    assert incident.kind is IncidentKind.STARTUP_HANG
    assert incident.resolved_at is not None


def test_a_pid_that_comes_back_is_another_worker() -> None:
    story = Story(log_only=True)
    story.master()
    story.boots(PID, at=0)
    story.times_out(PID, at=30)
    story.boots(PID, at=32)
    report = story.report()
    assert [(w.pid, w.ordinal, w.end) for w in report.workers] == [
        (PID, 1, WorkerEnd.TIMEOUT),
        (PID, 2, WorkerEnd.RUNNING),
    ]


AT_ANOTHER_LIMIT = "Memory cgroup out of memory: Killed process 99 (gunicorn)"
OF_THE_WHOLE_HOST = "Out of memory: Killed process 99 (postgres)"


def test_what_the_hosts_kernel_says_of_another_gunicorn_is_nothing_of_this_one() -> None:
    story = Story()
    story.master(version="27.0.1", timeout_s=30)
    story.boots(1, at=0)
    story.beats(1, at=10, age_s=1, ever=True)
    story.host_kernel_kills(99, at=12, wording=AT_ANOTHER_LIMIT)
    report = story.report()
    assert (report.incidents, report.kernel_oom_kills) == ((), ())
    # Nor does it explain a SIGKILL here at the same time.
    story.dies(1, at=12, signal="SIGKILL")
    assert [incident.killed_by for incident in story.report().incidents] == [KilledBy.UNKNOWN]


def test_the_hosts_record_of_a_worker_proves_its_kill_and_no_other_workers() -> None:
    story = Story()
    story.master(version="27.0.1", timeout_s=30)
    for pid in (1, 2):
        story.boots(pid, at=0)
        story.beats(pid, at=10, age_s=1, ever=True)
    story.host_kernel_kills(1, at=12, wording=AT_ANOTHER_LIMIT)
    story.dies(1, at=12, signal="SIGKILL")
    story.dies(2, at=14, signal="SIGKILL")
    killed_by = {incident.pid: incident.killed_by for incident in story.report().incidents}
    assert killed_by == {1: KilledBy.KERNEL_OOM, 2: KilledBy.UNKNOWN}


def test_another_process_that_fell_when_the_host_was_out_of_memory_is_told() -> None:
    story = Story()
    story.master(version="27.0.1", timeout_s=30)
    story.boots(1, at=0)
    story.host_kernel_kills(99, at=12, wording=OF_THE_WHOLE_HOST, process="postgres")
    report = story.report()
    assert report.incidents == ()
    assert [(record.pid, record.worker) for record in report.kernel_oom_kills] == [(99, False)]


@pytest.mark.parametrize(("signal", "killed_by"), [("SIGKILL", KilledBy.GUNICORN), ("SIGABRT", KilledBy.GUNICORN)])
def test_a_time_out_logged_just_before_the_watch_explains_the_death_in_it(signal: str, killed_by: KilledBy) -> None:
    story = Story()
    story.master(version="21.2.0", timeout_s=30)
    story.boots(PID, at=-40, in_log=True)
    story.times_out(PID, at=-1)
    story.dies(PID, at=0.3, signal=signal)
    incident = story.incident()
    assert (incident.kind, incident.killed_by) == (IncidentKind.WORKER_TIMEOUT, killed_by)


def test_what_ended_before_the_watch_began_is_not_in_its_report() -> None:
    story = Story()
    story.master(version="21.2.0", timeout_s=30)
    story.boots(PID, at=-40, in_log=True)
    story.times_out(PID, at=-3)
    story.dies(PID, at=-2, signal="SIGKILL")
    report = story.report()
    assert (report.incidents, report.workers) == ((), ())


def test_a_time_out_of_long_before_the_watch_from_which_the_worker_recovered_is_none_of_now() -> None:
    story = Story()
    story.master(version="21.2.0", timeout_s=30, worker_class="gevent")
    story.boots(PID, at=-900)
    story.times_out(PID, at=-600)
    story.beats(PID, at=1, age_s=1, ever=True)
    story.ends(at=2)
    assert story.report().incidents == ()
