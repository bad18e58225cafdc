"""The course of a watch, driven by a scripted host and a scripted clock: nothing here waits or starts a process."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gtdiag.collectors import container_pids
from gtdiag.collectors.cgroup import CgroupMemory
from gtdiag.collectors.live import LiveCollector
from gtdiag.errors import LogReadError, NoSuchProcessError
from gtdiag.model.events import (
    CollectionGap,
    Event,
    HeartbeatSample,
    KernelOomKilled,
    MasterGone,
    MasterSettings,
    ObservationEnded,
    ObservationStarted,
    StackSample,
    WorkerBooted,
    WorkerExited,
    WorkerReady,
    WorkerTimedOut,
)
from tests.unit.collectors.scripted_host import (
    AtOnce,
    ScriptedClock,
    ScriptedHost,
    ScriptedMaster,
    ScriptedWorker,
)

MASTER = 100


class Scene:
    """A master with workers, a clock, and the watch on them."""

    def __init__(self, *workers: ScriptedWorker) -> None:
        self.clock = ScriptedClock()
        self.master = ScriptedMaster(MASTER, workers=list(workers))
        self.host = ScriptedHost(self.clock, self.master)

    def watch(self, for_s: float, log: str = "none", interval_s: float = 1.0) -> list[Event]:
        return list(self.collector(for_s, log, interval_s).events())

    def collector(self, for_s: float | None = None, log: str = "none", interval_s: float = 1.0) -> LiveCollector:
        return LiveCollector(
            MASTER,
            log=log,
            interval_s=interval_s,
            for_s=for_s,
            clock=self.clock,
            host=self.host,
            pool=AtOnce(),
        )

    def looks_at(self, pid: int) -> list[float]:
        return [round(at_s, 1) for at_s, looked_at in self.host.looks if looked_at == pid]


def of(kind: type[Event], events: list[Event], pid: int | None = None) -> list[Event]:
    return [
        event
        for event in events
        if isinstance(event, kind) and (pid is None or (event.worker is not None and event.worker.pid == pid))
    ]


def healthy(pid: int, started_at_s: float = 950.0) -> ScriptedWorker:
    return ScriptedWorker(pid, started_at_s, beats_every_s=1.0)


def test_the_frame_of_every_stream() -> None:
    scene = Scene(healthy(7))
    events = scene.watch(for_s=3)
    assert isinstance(events[0], ObservationStarted)
    assert (events[0].kind, events[0].pid) == ("live", MASTER)
    assert isinstance(events[-1], ObservationEnded)
    assert events[-1].reason == "for"
    assert [event.seq for event in events] == list(range(len(events)))
    assert all(event.master_pid == MASTER for event in events)
    assert all(event.at is not None and event.at.tzinfo is not None for event in events)
    assert scene.host.closed


def test_healthy_workers_cost_no_look() -> None:
    scene = Scene(*(healthy(pid) for pid in range(1, 9)))
    events = scene.watch(for_s=60)
    assert scene.host.looks == []
    samples = Counter(event.worker.pid for event in of(HeartbeatSample, events) if event.worker)
    assert samples == dict.fromkeys(range(1, 9), 61), "one each second, the first at once"


def test_an_idle_sync_worker_that_beats_each_half_timeout_costs_no_look() -> None:
    scene = Scene(ScriptedWorker(1, 950.0, beats_every_s=15.0))
    scene.watch(for_s=60)
    assert scene.host.looks == []


def test_a_worker_stuck_in_start_up_is_looked_at_before_its_end() -> None:
    scene = Scene(ScriptedWorker(7, 999.0))
    events = scene.watch(for_s=32)
    looks = scene.looks_at(7)
    assert looks[0] == 1000.0
    assert any(1026.0 <= look <= 1027.0 for look in looks), "at 90 % of the time-out"
    assert any(1028.0 <= look <= 1029.0 for look in looks), "a second before the end"
    assert len(looks) < 20
    assert len(of(StackSample, events, 7)) == len(looks)
    assert of(WorkerReady, events) == []


def test_looks_become_rarer_while_nothing_changes_and_frequent_again_when_it_does() -> None:
    worker = ScriptedWorker(7, 999.0)
    scene = Scene(worker)
    scene.master.values["timeout"] = 600

    def move_on() -> None:
        worker.frames = ("load", "somewhere_else")

    scene.clock.at(1040.0, move_on)
    scene.watch(for_s=60)
    gaps = [later - earlier for earlier, later in itertools.pairwise(scene.looks_at(7))]
    assert max(gaps[:8]) >= 4.5
    changed = next(i for i, look in enumerate(scene.looks_at(7)) if look >= 1040.0)
    assert gaps[changed] <= 1.3


def test_the_first_heartbeat_makes_a_worker_ready() -> None:
    worker = ScriptedWorker(7, 998.0)
    scene = Scene(worker)

    def beat() -> None:
        worker.beat_at_s = scene.clock.now_s

    scene.clock.at(1002.4, beat)
    events = scene.watch(for_s=5)
    [ready] = of(WorkerReady, events)
    assert ready.worker is not None
    assert ready.worker.pid == 7
    assert ready.at is not None
    assert abs((ready.at - scene.host.wall_time_of(1002.4)).total_seconds()) < 0.3


def test_a_worker_that_beat_before_the_watch_is_not_said_to_become_ready() -> None:
    scene = Scene(ScriptedWorker(7, 900.0, beats_every_s=1.0))
    assert of(WorkerReady, scene.watch(for_s=3)) == []


def test_a_killed_worker_and_its_replacement() -> None:
    first = ScriptedWorker(7, 999.0)
    scene = Scene(first)

    def replace() -> None:
        first.alive = False
        scene.master.workers.append(ScriptedWorker(8, scene.clock.now_s))

    scene.clock.at(1003.3, replace)
    events = scene.watch(for_s=8)
    [exited] = of(WorkerExited, events)
    assert exited.worker is not None
    assert (exited.worker.pid, exited.worker.started_at_s) == (7, 999.0)
    assert exited.at is not None
    assert abs((exited.at - scene.host.wall_time_of(1003.3)).total_seconds()) <= 0.4, (
        "a stuck worker is watched closely"
    )
    assert [event.worker.pid for event in of(WorkerBooted, events) if event.worker] == [7, 8]
    assert [identity.pid for identity in scene.host.forgotten] == [7]


def test_a_pid_that_comes_back_is_another_worker() -> None:
    first = healthy(7)
    scene = Scene(first)

    def come_back() -> None:
        first.alive = False
        scene.master.workers.append(ScriptedWorker(7, 1002.0))

    scene.clock.at(1002.0, come_back)
    booted = of(WorkerBooted, scene.watch(for_s=5))
    assert [event.worker.started_at_s for event in booted if event.worker] == [950.0, 1002.0]


def test_the_boot_time_is_the_kernels() -> None:
    scene = Scene(healthy(7, started_at_s=123.0))
    [booted] = of(WorkerBooted, scene.watch(for_s=1))
    assert booted.at == scene.host.wall_time_of(123.0)


def test_the_master_dies() -> None:
    scene = Scene(healthy(7))

    def die() -> None:
        scene.master.alive = False

    scene.clock.at(1003.0, die)
    events = scene.watch(for_s=60)
    assert isinstance(events[-1], ObservationEnded)
    assert events[-1].reason == "master_gone"
    assert len(of(MasterGone, events)) == 1
    assert scene.clock.now_s < 1006


def test_a_re_executed_master_is_followed() -> None:
    scene = Scene(healthy(7))
    successor = ScriptedMaster(200, started_at_s=1002.0, workers=[ScriptedWorker(9, 1002.5)])

    def re_execute() -> None:
        scene.host.masters[200] = successor
        scene.master.successors.append(200)

    def old_one_quits() -> None:
        scene.master.alive = False

    scene.clock.at(1002.5, re_execute)
    scene.clock.at(1006.0, old_one_quits)
    events = scene.watch(for_s=12)
    assert isinstance(events[-1], ObservationEnded)
    assert events[-1].reason == "for"
    assert [event.master_pid for event in of(MasterGone, events)] == [MASTER]
    assert [event.master_pid for event in of(MasterSettings, events)] == [MASTER, 200]
    assert {event.master_pid for event in of(HeartbeatSample, events, 9)} == {200}
    assert scene.looks_at(9), "its workers are looked at too"


def test_settings_are_said_again_when_they_change() -> None:
    scene = Scene(healthy(7))

    def two_more() -> None:
        scene.master.values["workers"] = 3
        scene.master.workers.append(healthy(8, 1012.0))

    scene.clock.at(1012.0, two_more)
    settings = of(MasterSettings, scene.watch(for_s=20))
    assert [event.workers for event in settings if isinstance(event, MasterSettings)] == [2, 3]


def test_an_out_of_memory_kill_is_read_from_the_cgroup_when_a_worker_dies() -> None:
    worker = healthy(7)
    scene = Scene(worker)

    def kernel_kills() -> None:
        worker.alive = False
        scene.host.cgroup_memory = CgroupMemory(1000, 1000, 1)

    scene.clock.at(1002.5, kernel_kills)
    [killed] = of(KernelOomKilled, scene.watch(for_s=4))
    assert isinstance(killed, KernelOomKilled)
    assert killed.cgroup
    assert "0 to 1" in killed.wording


def test_what_may_not_be_read_is_said_once() -> None:
    scene = Scene(ScriptedWorker(7, 999.0), ScriptedWorker(8, 999.0))
    scene.host.denied = True
    scene.host.cgroup_memory = None
    gaps = of(CollectionGap, scene.watch(for_s=20))
    assert [gap.what for gap in gaps if isinstance(gap, CollectionGap)] == ["heartbeat", "memory"]


def test_a_master_without_workers_is_looked_at_itself() -> None:
    scene = Scene()
    events = scene.watch(for_s=5)
    assert scene.looks_at(MASTER)
    assert all(event.worker is None for event in of(StackSample, events))


def test_many_stuck_workers_stay_affordable_and_are_all_seen_at_the_end() -> None:
    scene = Scene(*(ScriptedWorker(pid, 999.0) for pid in range(1, 33)))
    scene.watch(for_s=30)
    spent_s = 0.02 * len(scene.host.looks)
    assert spent_s <= 30 * 0.35
    for pid in range(1, 33):
        assert max(scene.looks_at(pid)) >= 1026.0


@pytest.mark.parametrize("interval_s", [0.1, 0.5, 2.0])
def test_the_interval_is_kept(interval_s: float) -> None:
    scene = Scene(healthy(7))
    samples = of(HeartbeatSample, scene.watch(for_s=20, interval_s=interval_s))
    assert abs(len(samples) - 20 / interval_s) <= 2


def test_stop_ends_the_watch_with_its_reason() -> None:
    scene = Scene(healthy(7))
    collector = scene.collector()
    scene.clock.at(1002.0, lambda: collector.stop("until_incident"))
    events = list(collector.events())
    assert isinstance(events[-1], ObservationEnded)
    assert events[-1].reason == "until_incident"
    assert scene.clock.now_s < 1002.5


def test_log_lines_arrive_between_samples(tmp_path: Path) -> None:
    log = tmp_path / "gunicorn.log"
    log.write_text("[2026-01-02 03:00:01 +0000] [100] [CRITICAL] WORKER TIMEOUT (pid:3)\n")
    scene = Scene(healthy(7))

    def write(line: str) -> Callable[[], None]:
        def act() -> None:
            with log.open("a") as file:
                file.write(line + "\n")

        return act

    # 1002.4 s after the boot is 03:16:42.4; gunicorn writes the second.
    scene.clock.at(1002.4, write("[2026-01-02 03:16:42 +0000] [100] [CRITICAL] WORKER TIMEOUT (pid:7)"))
    scene.clock.at(1003.0, log.unlink)
    events = scene.watch(for_s=6, log=os.fspath(log))
    [timed_out] = of(WorkerTimedOut, events)
    assert timed_out.worker is not None
    assert timed_out.worker.pid == 7, "the line from before the watch is about nobody alive"
    assert timed_out.at is not None
    assert abs((timed_out.at - scene.host.wall_time_of(1002.4)).total_seconds()) <= 0.2
    assert timed_out.resolution_s < 1
    [gap] = of(CollectionGap, events)
    assert isinstance(gap, CollectionGap)
    assert gap.what == "log"
    assert "cannot be read any more" in gap.why


def test_a_step_of_the_start_up_in_the_log_is_followed_by_a_look(tmp_path: Path) -> None:
    log = tmp_path / "gunicorn.log"
    log.write_text("")
    scene = Scene(ScriptedWorker(7, 980.0))
    scene.master.values["timeout"] = 600

    def step() -> None:
        with log.open("a") as file:
            file.write("[2026-01-02 03:16:52 +0000] [7] [INFO] Waiting for application startup.\n")

    scene.clock.at(1012.3, step)
    scene.watch(for_s=14, log=os.fspath(log))
    assert any(1012.3 <= look <= 1012.8 for look in scene.looks_at(7)), scene.looks_at(7)


def test_the_pids_of_a_containers_log_are_turned_into_those_seen_from_here(tmp_path: Path) -> None:
    log = tmp_path / "gunicorn.log"
    log.write_text("[2026-01-02 03:16:39 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:12)\n")
    scene = Scene(healthy(7))
    scene.host.inner = {1: MASTER, 12: 7}
    [timed_out] = of(WorkerTimedOut, scene.watch(for_s=1, log=os.fspath(log)))
    assert timed_out.worker is not None
    assert (timed_out.worker.pid, timed_out.master_pid) == (7, MASTER)


def test_old_log_lines_of_the_living_are_used(tmp_path: Path) -> None:
    log = tmp_path / "gunicorn.log"
    log.write_text("[2026-01-02 03:15:50 +0000] [7] [INFO] Booting worker with pid: 7\n")
    events = Scene(healthy(7)).watch(for_s=1, log=os.fspath(log))
    assert [event.origin.source for event in of(WorkerBooted, events)] == ["process", "log"]


def test_errors_at_the_start(tmp_path: Path) -> None:
    scene = Scene()
    with pytest.raises(LogReadError, match="does not exist"):
        scene.collector(log=os.fspath(tmp_path / "missing.log"))
    with pytest.raises(LogReadError, match="is a folder"):
        scene.collector(log=os.fspath(tmp_path))
    scene.master.alive = False
    with pytest.raises(NoSuchProcessError):
        scene.collector()


def test_the_pids_of_a_container_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_pids, "MOST_PIDS", 10)
    scene = Scene(healthy(7))
    collector = scene.collector()
    for generation in range(20):
        scene.host.inner = {generation * 8 + inner: 1000 + generation * 8 + inner for inner in range(8)}
        collector._pids.read(MASTER)
    assert list(collector._pids.known().items())[-8:] == list(scene.host.inner.items())
    assert len(collector._pids.known()) == 10
