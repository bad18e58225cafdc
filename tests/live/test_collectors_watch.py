"""A watch on real gunicorn servers: what its events say while workers hang, are killed, replaced and re-executed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from gtdiag.collectors.live import LiveCollector
from gtdiag.collectors.ps import collect_masters
from gtdiag.collectors.snapshot import collect_snapshot
from gtdiag.errors import NoSuchProcessError, NotGunicornError
from gtdiag.gunicorn.masters import find_master_of, find_masters, find_successors
from gtdiag.model.events import (
    CollectionGap,
    Event,
    HeartbeatSample,
    MasterGone,
    MasterSettings,
    ObservationEnded,
    ProcessSample,
    StackSample,
    SuspendedSample,
    WorkerBooted,
    WorkerExited,
    WorkerReady,
    WorkerTimedOut,
)
from tests.environments import Environment, gunicorn_environment
from tests.live.gunicorn_process import GunicornProcess, running_gunicorn

pytestmark = pytest.mark.live

SYNC_HANGS = "import time\ndef connect_to_database():\n    time.sleep(3600)\nconnect_to_database()\n"
SYNC_SERVES = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
ASGI_HANGS = """
import asyncio
async def verify_database_migrations():
    await asyncio.sleep(3600)
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await verify_database_migrations()
"""
FORKING = (
    """
import multiprocessing, time
multiprocessing.get_context("fork").Process(target=time.sleep, args=(3600,), daemon=True).start()
"""
    + SYNC_SERVES
)
EMBEDDING = """
from gunicorn.app.base import BaseApplication
from serves import application
class Embedded(BaseApplication):
    def load_config(self):
        for name, value in {"bind": "127.0.0.1:0", "workers": 2, "timeout": 17}.items():
            self.cfg.set(name, value)
    def load(self):
        return application
Embedded().run()
"""


@pytest.fixture
def applications(tmp_path: Path) -> Path:
    folder = tmp_path / "applications"
    folder.mkdir()
    for name, source in {
        "hangs": SYNC_HANGS,
        "serves": SYNC_SERVES,
        "asgi_hangs": ASGI_HANGS,
        "forking": FORKING,
        "embedding": EMBEDDING,
    }.items():
        (folder / f"{name}.py").write_text(source)
    return folder


@contextmanager
def serving(
    environment: Environment, application: str, applications: Path, **options: Any
) -> Iterator[GunicornProcess]:
    with running_gunicorn(
        environment,
        f"{application}:application",
        folder=applications.parent,
        working_directory=applications,
        **options,
    ) as gunicorn:
        gunicorn.wait_until_listening()
        yield gunicorn


def watch_until(collector: LiveCollector, done: Callable[[list[Event]], bool], deadline_s: float = 40.0) -> list[Event]:
    """The events until `done` says so of all that have come; fails when it never does."""
    events: list[Event] = []
    end = time.monotonic() + deadline_s
    for event in collector.events():
        events.append(event)
        if done(events):
            collector.stop("test")
        if time.monotonic() > end:
            collector.stop("deadline")
    assert not (isinstance(events[-1], ObservationEnded) and events[-1].reason == "deadline"), [
        repr(event)[:150] for event in events if not isinstance(event, (HeartbeatSample, ProcessSample))
    ]
    return events


def of(kind: type[Event], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def pids(events: list[Any]) -> list[int]:
    return [event.worker.pid for event in events]


def test_hang_at_import_is_seen_killed_and_seen_again(environment_21: Environment, applications: Path) -> None:
    with serving(environment_21, "hangs", applications, workers=2, timeout_s=4) as gunicorn:
        events = watch_until(
            LiveCollector(gunicorn.pid),
            lambda seen: (
                len(of(WorkerTimedOut, seen)) >= 2
                and len({event.worker.pid for event in of(HeartbeatSample, seen)}) >= 4
            ),
        )
    [settings] = of(MasterSettings, events)
    assert (settings.version, settings.timeout_s, settings.workers) == ("21.2.0", 4, 2)
    assert settings.settings_source == "memory"
    assert settings.application == "hangs:application"
    assert of(WorkerReady, events) == []
    assert not any(event.ever for event in of(HeartbeatSample, events))
    for timed_out in of(WorkerTimedOut, events):
        pid = timed_out.worker.pid
        looks = [event for event in of(StackSample, events) if event.worker.pid == pid]
        assert looks[-1].threads[0].frames[-1].function == "connect_to_database"
        assert (timed_out.at - looks[-1].at).total_seconds() < 3, "the evidence is from shortly before the kill"
    assert set(pids(of(WorkerTimedOut, events))) <= set(pids(of(WorkerExited, events)))
    live = [event for event in of(WorkerBooted, events) if event.origin.source == "process"]
    assert len(live) >= 4


def test_silent_hang_in_the_lifespan(newest_environment: Environment, applications: Path) -> None:
    with serving(
        newest_environment, "asgi_hangs", applications, worker_class="uvicorn", workers=2, timeout_s=3
    ) as gunicorn:
        events = watch_until(
            LiveCollector(gunicorn.wait_for_workers(2)[0]),
            lambda seen: any(event.age_s > 5 for event in of(HeartbeatSample, seen)),
        )
    assert events[0].master_pid == gunicorn.pid, "a worker's pid leads to its master"
    assert of(WorkerTimedOut, events) == []
    assert of(WorkerExited, events) == []
    for pid in set(pids(of(HeartbeatSample, events))):
        chains = [
            [frame.function for frame in code.frames]
            for sample in of(SuspendedSample, events)
            if sample.worker.pid == pid
            for code in sample.suspended
        ]
        assert any("verify_database_migrations" in chain for chain in chains)


def test_workers_come_and_go(newest_environment: Environment, applications: Path) -> None:
    """TTIN adds a worker, TTOU takes one away, HUP replaces all, an outsider kills one."""
    with serving(newest_environment, "serves", applications, workers=2) as gunicorn:
        first = set(gunicorn.wait_for_workers(2))
        steps: list[tuple[Callable[[list[Event]], bool], Callable[[], None]]] = [
            (
                lambda seen: set(pids(of(HeartbeatSample, seen))) >= first,
                lambda: gunicorn.signal(signal.SIGTTIN),
            ),
            (
                lambda seen: len(set(pids(of(WorkerBooted, seen)))) == 3,
                lambda: gunicorn.signal(signal.SIGTTOU),
            ),
            (lambda seen: len(set(pids(of(WorkerExited, seen)))) == 1, lambda: gunicorn.signal(signal.SIGHUP)),
            (
                lambda seen: (
                    len(set(pids(of(WorkerExited, seen)))) == 3
                    and not set(pids(of(HeartbeatSample, seen))) <= {*first, *pids(of(WorkerExited, seen))}
                ),
                lambda: os.kill(one_that_stays(), signal.SIGKILL),
            ),
        ]
        latest: list[Event] = []

        def one_that_stays() -> int:
            gone = {*first, *pids(of(WorkerExited, latest))}
            return next(pid for pid in pids(of(HeartbeatSample, latest))[::-1] if pid not in gone)

        def done(seen: list[Event]) -> bool:
            latest[:] = seen
            if steps and steps[0][0](seen):
                steps.pop(0)[1]()
            return not steps and len(set(pids(of(WorkerExited, seen)))) == 4 and len(ready(seen)) >= 3

        def ready(seen: list[Event]) -> list[int]:
            return [event.worker.pid for event in of(WorkerReady, seen) if event.origin.source == "heartbeat"]

        events = watch_until(LiveCollector(gunicorn.pid), done)
    assert of(MasterGone, events) == []
    assert first <= set(pids(of(WorkerExited, events)))


def test_re_execution_is_followed(newest_environment: Environment, applications: Path) -> None:
    with serving(newest_environment, "serves", applications, workers=1) as gunicorn:
        gunicorn.wait_for_workers(1)
        sent: list[str] = []

        def done(seen: list[Event]) -> bool:
            masters = {event.master_pid for event in of(HeartbeatSample, seen)}
            if not sent and masters:
                sent.append("USR2")
                gunicorn.signal(signal.SIGUSR2)
            elif len(sent) == 1 and len(masters) == 2:
                sent.append("TERM")
                assert find_successors(gunicorn.pid) == list(masters - {gunicorn.pid})
                gunicorn.signal(signal.SIGTERM)
            elif len(sent) == 2 and of(MasterGone, seen):
                gone_at = seen.index(of(MasterGone, seen)[0])
                return any(isinstance(event, HeartbeatSample) for event in seen[gone_at:])
            return False

        events = watch_until(LiveCollector(gunicorn.pid), done)
        [gone] = of(MasterGone, events)
        assert gone.master_pid == gunicorn.pid
        after = {event.master_pid for event in of(HeartbeatSample, events[events.index(gone) :])}
        assert len(after) == 1
        assert gunicorn.pid not in after
        settings = [event.master_pid for event in of(MasterSettings, events)]
        assert settings[0] == gunicorn.pid
        assert settings[-1] in after


def test_the_master_is_killed(newest_environment: Environment, applications: Path) -> None:
    with serving(newest_environment, "hangs", applications, workers=1) as gunicorn:
        [worker] = gunicorn.wait_for_workers(1)
        collector = LiveCollector(gunicorn.pid)
        events: list[Event] = []
        for event in collector.events():
            events.append(event)
            if isinstance(event, HeartbeatSample):
                gunicorn.signal(signal.SIGKILL)
        assert isinstance(events[-1], ObservationEnded)
        assert events[-1].reason == "master_gone"
        assert len(of(MasterGone, events)) == 1
        assert psutil.pid_exists(worker), "it hangs on without its master"
        with pytest.raises(NotGunicornError, match="whose master is gone"):
            find_master_of(worker)
        assert worker not in [master.pid for master in find_masters()]
    with pytest.raises(NoSuchProcessError):
        LiveCollector(gunicorn.pid)


def test_rotation_and_loss_of_the_log(environment_21: Environment, applications: Path) -> None:
    with serving(environment_21, "hangs", applications, workers=1, timeout_s=3, log="error-logfile") as gunicorn:
        rotated: list[str] = []

        def done(seen: list[Event]) -> bool:
            timed_out = len(of(WorkerTimedOut, seen))
            if timed_out == 1 and not rotated:
                rotated.append("renamed")
                gunicorn.log_path.rename(gunicorn.log_path.with_suffix(".1"))
                gunicorn.signal(signal.SIGUSR1)  # gunicorn opens its log anew
            if timed_out == 2 and rotated == ["renamed"]:
                rotated.append("removed")
                gunicorn.log_path.unlink()
            return timed_out == 2 and any(gap.what == "log" for gap in of(CollectionGap, seen))

        events = watch_until(LiveCollector(gunicorn.pid), done)
    assert events[0].files == (str(gunicorn.log_path),)  # type: ignore[attr-defined]


def test_preload_hangs_in_the_master(newest_environment: Environment, applications: Path) -> None:
    with running_gunicorn(
        newest_environment,
        "hangs:application",
        folder=applications.parent,
        working_directory=applications,
        options=("--preload",),
    ) as gunicorn:
        wait_for_gunicorn(gunicorn.pid)
        events = watch_until(LiveCollector(gunicorn.pid), lambda seen: bool(of(StackSample, seen)))
    [sample] = of(StackSample, events)[:1]
    assert (sample.worker, sample.master_pid) == (None, gunicorn.pid)
    assert sample.threads[0].frames[-1].function == "connect_to_database"


def test_helper_processes_are_no_workers(newest_environment: Environment, applications: Path) -> None:
    with serving(newest_environment, "forking", applications, workers=2) as gunicorn:
        workers = set(gunicorn.wait_for_workers(2))
        events = watch_until(
            LiveCollector(gunicorn.pid, for_s=3),
            lambda seen: len({event.worker.pid for event in of(HeartbeatSample, seen) if event.ever}) == 2,
        )
        helpers = [child.pid for worker in workers for child in psutil.Process(worker).children()]
        assert helpers
        assert {find_master_of(pid) for pid in helpers} == {gunicorn.pid}
        assert [master.pid for master in find_masters() if master.pid in {*helpers, *workers}] == []
    assert set(pids(of(HeartbeatSample, events))) == workers


def test_an_embedded_gunicorn(newest_environment: Environment, applications: Path) -> None:
    """A program of one's own that runs gunicorn's Arbiter: only descriptors and memory tell."""
    with running_gunicorn(
        newest_environment,
        "unused",
        folder=applications.parent,
        working_directory=applications,
        command=[str(newest_environment.python), "embedding.py"],
    ) as gunicorn:
        gunicorn.wait_for_workers(2)
        events = list(LiveCollector(gunicorn.pid, for_s=1).events())
        [summary] = [master for master in collect_masters() if master.pid == gunicorn.pid]
    [settings] = of(MasterSettings, events)
    assert (settings.timeout_s, settings.workers, settings.settings_source) == (17, 2, "memory")
    assert (summary.workers, summary.timeout_s, summary.version) == (2, 17, "27.0.1")


def test_setproctitle_hides_the_command_line(applications: Path) -> None:
    environment = gunicorn_environment("27.0.1", "setproctitle")
    with serving(environment, "serves", applications, workers=1, timeout_s=9) as gunicorn:
        gunicorn.wait_for_workers(1)
        gunicorn.signal(signal.SIGUSR2)
        gunicorn.wait_for_log("Booting worker", 2)
        events = list(LiveCollector(gunicorn.pid, for_s=2).events())
    settings = of(MasterSettings, events)
    assert [event.timeout_s for event in settings] == [9, 9]
    assert [event.application for event in settings] == ["serves:application"] * 2
    assert len({event.master_pid for event in of(HeartbeatSample, events)}) == 2


def test_the_list_of_masters_counts_health(newest_environment: Environment, applications: Path) -> None:
    with serving(newest_environment, "hangs", applications, workers=2, timeout_s=11) as gunicorn:
        gunicorn.wait_for_workers(2)
        time.sleep(1.5)
        [summary] = [master for master in collect_masters() if master.pid == gunicorn.pid]
    assert (summary.version, summary.worker_class, summary.timeout_s) == ("27.0.1", "sync", 11)
    assert (summary.workers, summary.never_beaten, summary.stale, summary.ok) == (2, 2, 0, 0)
    assert summary.user == psutil.Process().username()
    assert 1 < summary.uptime_s < 60
    assert summary.application == "hangs:application"


def test_a_snapshot_sees_every_worker(newest_environment: Environment, applications: Path) -> None:
    with serving(newest_environment, "asgi_hangs", applications, worker_class="uvicorn", workers=4) as gunicorn:
        workers = set(gunicorn.wait_for_workers(4))
        gunicorn.wait_for_log("Waiting for application startup", 4)
        events = list(collect_snapshot(gunicorn.pid))
    for kind in (WorkerBooted, HeartbeatSample, StackSample, SuspendedSample):
        assert set(pids(of(kind, events))) == workers, kind
    assert all(
        any("verify_database_migrations" in [frame.function for frame in code.frames] for code in sample.suspended)
        for sample in of(SuspendedSample, events)
    )
    assert isinstance(events[-1], ObservationEnded)


def test_standard_input_is_tailed(environment_21: Environment, applications: Path) -> None:
    reader, writer = os.pipe()
    with serving(environment_21, "serves", applications, workers=1) as gunicorn:
        [worker] = gunicorn.wait_for_workers(1)
        stamp = time.strftime("%Y-%m-%d %H:%M:%S %z")
        os.write(writer, f"[{stamp}] [{gunicorn.pid}] [CRITICAL] WORKER TIMEOUT (pid:{worker})\n".encode())
        events = watch_until(
            LiveCollector(gunicorn.pid, log="-", stdin_descriptor=reader),
            lambda seen: bool(of(WorkerTimedOut, seen)),
        )
    os.close(reader)
    os.close(writer)
    assert pids(of(WorkerTimedOut, events)) == [worker]


def test_a_pid_namespace_seen_from_outside(environment_21: Environment, applications: Path) -> None:
    """As a container looked at from its host: gunicorn is pid 1 in there, and logs the pids of in there."""
    apart = ["unshare", "--pid", "--fork"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], check=False).returncode != 0:
        pytest.skip("needs unshare (util-linux) and the right to make a pid namespace")
    command = [*apart, str(environment_21.gunicorn)]
    with serving(environment_21, "hangs", applications, timeout_s=3, command=command) as gunicorn:
        [master_pid] = gunicorn.worker_pids()
        events = watch_until(LiveCollector(master_pid), lambda seen: bool(of(WorkerTimedOut, seen)))
    assert "Booting worker with pid: 1\n" not in gunicorn.log_text()
    assert f"({master_pid})" not in gunicorn.log_text(), "the log does not know the outer pid"
    [timed_out] = of(WorkerTimedOut, events)
    assert timed_out.master_pid == master_pid
    assert timed_out.worker.pid in pids(of(HeartbeatSample, events))


def test_a_stop_from_a_signal_handler(newest_environment: Environment, applications: Path) -> None:
    with serving(newest_environment, "serves", applications, workers=1) as gunicorn:
        collector = LiveCollector(gunicorn.pid)
        before = signal.signal(signal.SIGUSR1, lambda *_: collector.stop())
        try:
            timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            events = list(collector.events())
        finally:
            signal.signal(signal.SIGUSR1, before)
    assert isinstance(events[-1], ObservationEnded)
    assert events[-1].reason == "interrupted"


def test_pids_that_cannot_be_watched() -> None:
    with pytest.raises(NotGunicornError):
        LiveCollector(os.getpid())
    ended = psutil.Popen([sys.executable, "-c", ""])
    ended.wait()
    for start in (LiveCollector, collect_snapshot):
        with pytest.raises(NoSuchProcessError):
            start(ended.pid)


def wait_for_gunicorn(pid: int) -> None:
    """Until the process is recognised as gunicorn: the interpreter has been started."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            find_master_of(pid)
        except NotGunicornError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"{pid} does not become gunicorn")
