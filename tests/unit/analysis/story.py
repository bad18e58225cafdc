"""Tells the story of an observation in a few words, as events: what tests of the analysis feed it.

story = Story()
story.master(version="21.2.0", timeout_s=30)
story.boots(7, at=0)
story.beats(7, at=29, age_s=29, ever=False)
story.times_out(7, at=30)
report = story.report()
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from gtdiag.analysis import Analysis
from gtdiag.model import events
from gtdiag.model.identity import Origin, WorkerId
from gtdiag.model.report import Incident, Report
from gtdiag.model.stacks import Connection, Frame, SuspendedCode, ThreadStack

NOON = datetime(2026, 5, 1, 12, 0, 0, tzinfo=timezone.utc)
MASTER = 100
APP = "/srv/app/main.py"
SITE = "/srv/venv/lib/python3.12/site-packages/"
STDLIB = "/usr/lib/python3.12/"


def moment(at: float | None) -> datetime | None:
    return None if at is None else NOON + timedelta(seconds=at)


def frames(*described: str) -> tuple[Frame, ...]:
    """`app:lifespan`, `asyncpg/connection.py:connect`, `std/threading.py:wait` to frames, outermost first."""
    return tuple(_frame(text, line) for line, text in enumerate(described, start=1))


def _frame(text: str, line: int) -> Frame:
    where, _, function = text.rpartition(":")
    if where == "app":
        file = APP
    elif where.startswith("app/"):
        file = "/srv/" + where
    elif where.startswith("<"):
        file = where
    elif where.startswith("std/"):
        file = STDLIB + where.removeprefix("std/")
    else:
        file = SITE + where
    return Frame(function, file, line)


def main_thread(*described: str, active: bool = False) -> ThreadStack:
    return ThreadStack(thread_id=1, name="MainThread", frames=frames(*described), main=True, active=active)


def pool_thread(*described: str, active: bool = False) -> ThreadStack:
    outer = ("std/threading.py:Thread._bootstrap", "std/concurrent/futures/thread.py:_worker")
    return ThreadStack(thread_id=2, name="pool_0", frames=frames(*outer, *described), active=active)


def task(*described: str, name: str = "Task-2", complete: bool = True) -> SuspendedCode:
    return SuspendedCode(kind="task", name=name, frames=frames(*described), awaits="_asyncio.Future", complete=complete)


def greenlet(*described: str, name: str = "Greenlet at 0x7f10", complete: bool = True) -> SuspendedCode:
    return SuspendedCode(kind="greenlet", name=name, frames=frames(*described), complete=complete)


LOOP = (
    "gunicorn/arbiter.py:Arbiter.spawn_worker",
    "uvicorn/workers.py:UvicornWorker.run",
    "std/asyncio/runners.py:run",
    "std/asyncio/base_events.py:BaseEventLoop._run_once",
    "std/selectors.py:EpollSelector.select",
)
LIFESPAN = ("uvicorn/lifespan/on.py:LifespanOn.main", "starlette/routing.py:Router.lifespan", "app:lifespan")


def to_peer(peer: str, state: str = "ESTABLISHED") -> Connection:
    return Connection(fd=9, family="inet", local="127.0.0.1:50000", peer=peer, state=state)


class Story:
    """Collects events; `log_only` tells the story of a saved log, otherwise of a watched master."""

    def __init__(self, *, log_only: bool = False) -> None:
        self.log_only = log_only
        self.told: list[events.Event] = []
        kind = "log" if log_only else "live"
        self._tell(
            events.ObservationStarted(
                origin=Origin(kind), at=None if log_only else moment(0), kind=kind, pid=None if log_only else MASTER
            )
        )

    def _tell(self, event: events.Event) -> None:
        self.told.append(event)

    def _log(self, line: int = 0) -> Origin:
        return Origin("log", "app.log", line or len(self.told) + 1)

    def _worker(self, pid: int) -> WorkerId:
        return WorkerId(pid, spawn=1) if self.log_only else WorkerId(pid, started_at_s=float(pid))

    def _res(self) -> float:
        return 1.0 if self.log_only else 0.2

    # --- what is seen ------------------------------------------------------------

    def master(
        self,
        version: str = "21.2.0",
        timeout_s: float | None = 30.0,
        worker_class: str = "sync",
        workers: int | None = None,
        graceful_timeout_s: float | None = None,
        pid: int = MASTER,
        at: float = 0,
        preload: bool | None = None,
        heartbeat_filesystem: str | None = None,
    ) -> None:
        if self.log_only:
            self._tell(events.MasterStarted(origin=self._log(), at=moment(at), master_pid=pid, version=version))
            self._tell(
                events.WorkerClassAnnounced(
                    origin=self._log(), at=moment(at), master_pid=pid, worker_class=worker_class
                )
            )
        else:
            self._tell(
                events.MasterSettings(
                    origin=Origin("master"),
                    at=moment(at),
                    master_pid=pid,
                    version=version,
                    worker_class=worker_class,
                    workers=workers,
                    timeout_s=timeout_s,
                    graceful_timeout_s=graceful_timeout_s,
                    preload=preload,
                    heartbeat_filesystem=heartbeat_filesystem,
                    settings_source="memory",
                )
            )

    def master_process(self, at: float, preload: bool) -> None:
        """When the master's process began, and whether it loads the application itself."""
        self._tell(
            events.MasterSettings(
                origin=Origin("master"), at=moment(at), master_pid=MASTER, preload=preload, started_at=moment(at)
            )
        )

    def looks_at_master(self, at: float, *threads: ThreadStack, tasks: tuple[SuspendedCode, ...] = ()) -> None:
        origin, when = Origin("stack"), moment(at)
        self._tell(events.SuspendedSample(origin=origin, at=when, master_pid=MASTER, suspended=tasks))
        self._tell(events.StackSample(origin=origin, at=when, master_pid=MASTER, threads=threads))

    def boots(self, pid: int, at: float, in_log: bool = False) -> None:
        """`in_log`: by a line of the log, also where somebody watches."""
        origin = self._log() if self.log_only or in_log else Origin("process")
        self._tell(
            events.WorkerBooted(
                origin=origin, at=moment(at), worker=self._worker(pid), resolution_s=self._res(), seq=len(self.told)
            )
        )

    def ready(self, pid: int, at: float) -> None:
        self._tell(
            events.WorkerReady(
                origin=self._log(), at=moment(at), worker=WorkerId(pid, spawn=1), resolution_s=self._res()
            )
        )

    def beats(self, pid: int, at: float, age_s: float, ever: bool | None) -> None:
        self._tell(
            events.HeartbeatSample(
                origin=Origin("heartbeat"),
                at=moment(at),
                worker=self._worker(pid),
                resolution_s=0.01,
                age_s=age_s,
                ever=ever,
            )
        )

    def looks(
        self,
        pid: int,
        at: float,
        *threads: ThreadStack,
        tasks: tuple[SuspendedCode, ...] | None = None,
        sockets: tuple[Connection, ...] = (),
        wchan: str | None = None,
    ) -> None:
        worker = self._worker(pid)
        if wchan is not None:
            self._tell(
                events.ProcessSample(
                    origin=Origin("process"), at=moment(at), worker=worker, resolution_s=0.01, rss_bytes=1, wchan=wchan
                )
            )
        if sockets:
            self._tell(
                events.SocketSample(
                    origin=Origin("socket"), at=moment(at), worker=worker, resolution_s=0.01, connections=sockets
                )
            )
        if tasks is not None:
            self._tell(
                events.SuspendedSample(
                    origin=Origin("suspended"), at=moment(at), worker=worker, resolution_s=0.01, suspended=tasks
                )
            )
        self._tell(
            events.StackSample(origin=Origin("stack"), at=moment(at), worker=worker, resolution_s=0.01, threads=threads)
        )

    def times_out(self, pid: int, at: float) -> None:
        self._tell(
            events.WorkerTimedOut(
                origin=self._log(),
                at=moment(at),
                worker=WorkerId(pid, spawn=1),
                master_pid=MASTER,
                resolution_s=self._res(),
            )
        )

    def dies(self, pid: int, at: float, signal: str, perhaps_oom: bool | None = None) -> None:
        said = signal == "SIGKILL" if perhaps_oom is None else perhaps_oom
        self._tell(
            events.WorkerSignalled(
                origin=self._log(),
                at=moment(at),
                worker=WorkerId(pid, spawn=1),
                master_pid=MASTER,
                resolution_s=self._res(),
                signal=signal,
                wording=f"was sent {signal}!",
                perhaps_out_of_memory=said,
            )
        )

    def exits(self, pid: int, at: float, code: int | None) -> None:
        self._tell(
            events.WorkerExited(
                origin=self._log() if code is not None else Origin("process"),
                at=moment(at),
                worker=WorkerId(pid, spawn=1) if code is not None else self._worker(pid),
                master_pid=MASTER,
                resolution_s=self._res(),
                code=code,
            )
        )

    def fails_to_boot(self, pid: int, at: float, reason: str = "ImportError: no module named x") -> None:
        worker = WorkerId(pid, spawn=1)
        self._tell(
            events.WorkerBootFailed(
                origin=self._log(),
                at=moment(at),
                worker=worker,
                resolution_s=self._res(),
                reason=reason,
            )
        )

    def master_is_told(self, signal: str, at: float) -> None:
        self._tell(
            events.MasterSignalled(
                origin=self._log(), at=moment(at), master_pid=MASTER, resolution_s=self._res(), signal=signal
            )
        )

    def kernel_kills(self, pid: int, at: float, process: str = "gunicorn") -> None:
        self._tell(
            events.KernelOomKilled(
                origin=self._log(), at=moment(at), resolution_s=self._res(), pid=pid, process=process
            )
        )

    def host_kernel_kills(self, pid: int, at: float, wording: str, process: str = "gunicorn") -> None:
        """A record of the host's own kernel log, read while watching."""
        origin = Origin("kernel_log")
        self._tell(events.KernelOomKilled(origin=origin, at=moment(at), pid=pid, process=process, wording=wording))

    def cgroup(
        self,
        at: float,
        oom_kill: int | None = None,
        limit_bytes: int | None = None,
        current_bytes: int | None = None,
        inactive_file_bytes: int | None = None,
    ) -> None:
        self._tell(
            events.CgroupSample(
                origin=Origin("cgroup"),
                at=moment(at),
                resolution_s=0.01,
                limit_bytes=limit_bytes,
                current_bytes=current_bytes,
                inactive_file_bytes=inactive_file_bytes,
                oom_kill=oom_kill,
            )
        )

    def process(
        self,
        pid: int,
        at: float,
        *,
        rss_bytes: int = 50 << 20,
        state: str = "S",
        threads: int = 1,
        ran_s: float | None = None,
        waited_s: float | None = None,
        wchan: str | None = None,
        uss_bytes: int | None = None,
    ) -> None:
        """A sample of a worker's process; of the master's where `pid` is the master's."""
        self._tell(
            events.ProcessSample(
                origin=Origin("process"),
                at=moment(at),
                worker=None if pid == MASTER else self._worker(pid),
                master_pid=MASTER,
                resolution_s=0.01,
                rss_bytes=rss_bytes,
                state=state,
                threads=threads,
                wchan=wchan,
                main_thread_ran_s=ran_s,
                main_thread_waited_s=waited_s,
                uss_bytes=uss_bytes,
                pss_bytes=uss_bytes,
            )
        )

    def cpu(
        self,
        at: float,
        *,
        periods: int | None = None,
        throttled: int | None = None,
        pressure_s: float | None = None,
        quota_cores: float | None = None,
    ) -> None:
        self._tell(
            events.CpuSample(
                origin=Origin("cgroup"),
                at=moment(at),
                master_pid=MASTER,
                resolution_s=0.01,
                quota_cores=quota_cores,
                periods=periods,
                throttled_periods=throttled,
                pressure_s=pressure_s,
                pressure_of=None if pressure_s is None else "host",
            )
        )

    def sockets(self, pid: int, at: float, *connections: Connection) -> None:
        self._tell(
            events.SocketSample(
                origin=Origin("socket"),
                at=moment(at),
                worker=self._worker(pid),
                resolution_s=0.01,
                connections=connections,
            )
        )

    def recycles(self, pid: int, at: float) -> None:
        self._tell(
            events.WorkerRecycled(
                origin=self._log(), at=moment(at), worker=WorkerId(pid, spawn=1), resolution_s=self._res()
            )
        )

    def no_uri_read(self, pid: int, at: float) -> None:
        """The traceback of a sync worker that was aborted while it read a request, 22 and later."""
        self._tell(
            events.TracebackLogged(
                origin=self._log(),
                at=moment(at),
                worker=WorkerId(pid, spawn=1),
                resolution_s=self._res(),
                kind="abort",
                frames=frames("gunicorn/workers/sync.py:handle", "gunicorn/http/unreader.py:chunk"),
                interrupted=True,
                header="Error handling request (no URI read)",
                no_uri_read=True,
            )
        )

    def traceback(self, pid: int, at: float, *described: str, header: str = "Error handling request /slow") -> None:
        self._tell(
            events.TracebackLogged(
                origin=self._log(),
                at=moment(at),
                worker=WorkerId(pid, spawn=1),
                resolution_s=self._res(),
                kind="abort",
                frames=frames(*described),
                interrupted=True,
                header=header,
                method="GET",
                path="/slow",
            )
        )

    def ends(self, at: float) -> None:
        self._tell(events.ObservationEnded(origin=Origin("live"), at=moment(at)))

    # --- what is concluded ------------------------------------------------------------

    def report(self) -> Report:
        analysis = Analysis()
        for event in self.told:
            analysis.add(event)
        return analysis.report()

    def incident(self) -> Incident:
        (incident,) = self.report().incidents
        return incident
