"""Workers that nobody worries about are sampled rarely; whoever gets stuck is looked at as early as otherwise."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from gtdiag.collectors.live import TICK_S, LiveCollector
from gtdiag.model.events import (
    Event,
    HeartbeatSample,
    ObservationEnded,
    ProcessSample,
    WorkerBooted,
    WorkerExited,
)
from tests.unit.collectors.scripted_host import AtOnce, ScriptedClock, ScriptedHost, ScriptedMaster, ScriptedWorker

MASTER = 100
START_S = 1000.0


class Scene:
    def __init__(self, *workers: ScriptedWorker, timeout_s: float = 30, worker_class: str = "sync") -> None:
        self.clock = ScriptedClock(START_S)
        self.master = ScriptedMaster(MASTER, workers=list(workers))
        self.master.values.update(timeout=timeout_s, worker_class=worker_class)
        self.host = ScriptedHost(self.clock, self.master)

    def watch(self, for_s: float, *, sparing: bool = True, log: str = "none") -> list[Event]:
        return list(self.collector(for_s, sparing=sparing, log=log).events())

    def collector(self, for_s: float | None, *, sparing: bool = True, log: str = "none") -> LiveCollector:
        return LiveCollector(
            MASTER, log=log, for_s=for_s, clock=self.clock, host=self.host, pool=AtOnce(), sparing=sparing
        )


def idle(pid: int) -> ScriptedWorker:
    """An idle sync worker beats each half time-out."""
    return ScriptedWorker(pid, 950.0, beats_every_s=15.0)


def busy(pid: int) -> ScriptedWorker:
    return ScriptedWorker(pid, 950.0, beats_every_s=1.0)


def seconds_of(kind: type[Event], events: list[Event], pid: int) -> list[int]:
    start = next(event.at for event in events if event.at is not None)
    return [
        round((event.at - start).total_seconds())
        for event in events
        if isinstance(event, kind) and event.worker is not None and event.worker.pid == pid and event.at is not None
    ]


def test_each_is_sampled_at_every_seventh_interval_and_they_take_turns() -> None:
    events = Scene(*map(busy, range(1, 15))).watch(for_s=60)
    in_each_second = Counter(
        second
        for pid in range(1, 15)
        for second in seconds_of(HeartbeatSample, events, pid)
        if 0 < second < 60  # all of them at first, and at last
    )
    assert set(in_each_second.values()) == {2}, "fourteen workers, a quarter of 30 s"
    for pid in range(1, 15):
        assert set(seconds_of(ProcessSample, events, pid)) == set(seconds_of(HeartbeatSample, events, pid))


def test_one_that_beats_each_half_time_out_is_as_calm() -> None:
    scene = Scene(idle(1))
    events = scene.watch(for_s=60)
    assert scene.host.looks == []
    assert 9 <= len(seconds_of(HeartbeatSample, events, 1)) <= 11


@pytest.mark.parametrize(("timeout_s", "pause_s"), [(4, 1), (8, 2), (12, 3), (30, 7), (60, 10), (600, 10), (0, 10)])
def test_the_rhythm_is_a_quarter_of_the_time_out(timeout_s: float, pause_s: int) -> None:
    events = Scene(busy(1), timeout_s=timeout_s).watch(for_s=80)
    seconds = seconds_of(HeartbeatSample, events, 1)[1:-1]
    assert {later - earlier for earlier, later in itertools.pairwise(seconds)} == {pause_s}


def test_what_the_report_says_of_them_is_as_of_the_end() -> None:
    events = Scene(*map(idle, range(1, 6))).watch(for_s=33)
    assert isinstance(events[-1], ObservationEnded)
    for pid in range(1, 6):
        assert seconds_of(HeartbeatSample, events, pid)[-1] == 33


def test_one_whose_memory_moves_is_sampled_at_each_interval() -> None:
    scene = Scene(*map(busy, range(1, 4)))
    scene.host.moving = {2}
    events = scene.watch(for_s=20)
    assert len(seconds_of(ProcessSample, events, 2)) == 22
    assert len(seconds_of(ProcessSample, events, 1)) < 7


def test_nothing_is_spared_without_being_asked_for_or_with_a_time_out_of_seconds() -> None:
    assert len(seconds_of(HeartbeatSample, Scene(idle(1)).watch(for_s=20, sparing=False), 1)) == 21
    assert len(seconds_of(HeartbeatSample, Scene(busy(1), timeout_s=3).watch(for_s=20), 1)) == 21


@pytest.mark.parametrize("worker_class", ["sync", "uvicorn.workers.UvicornWorker", "gthread"])
@pytest.mark.parametrize("timeout_s", [2, 3, 4, 5, 7, 10, 30, 60, 120, 0])
@pytest.mark.parametrize("phase_s", [0.0, 0.33, 0.71, 2.9, 4.45])
def test_a_hang_is_looked_at_as_early_and_before_its_deadline(
    timeout_s: float, phase_s: float, worker_class: str
) -> None:
    beats_s = 1.0 if worker_class == "gthread" or not timeout_s else min(1.0, timeout_s / 2)
    hangs_at_s = START_S + 20 + phase_s
    looks: dict[bool, list[float]] = {}
    for sparing in (False, True):
        workers = [ScriptedWorker(pid, 950.0, beats_every_s=beats_s) for pid in range(1, 8)]
        scene = Scene(*workers, timeout_s=timeout_s, worker_class=worker_class)

        def hang(stuck: ScriptedWorker = workers[6]) -> None:
            stuck.beat_at_s, stuck.beats_every_s = hangs_at_s, None

        scene.clock.at(hangs_at_s, hang)
        scene.watch(for_s=20 + phase_s + (timeout_s or 30), sparing=sparing)
        looks[sparing] = [at_s for at_s, pid in scene.host.looks if pid == 7]
        assert {pid for _, pid in scene.host.looks} == {7}
    assert looks[True][0] <= looks[False][0] + TICK_S + 0.001
    assert len(looks[True]) >= len(looks[False]) - 1
    if timeout_s:
        deadline_s = hangs_at_s + timeout_s
        assert any(at_s <= deadline_s - 0.2 for at_s in looks[True])
        assert any(deadline_s - max(1.0, 0.1 * timeout_s) - 0.001 <= at_s for at_s in looks[True]), "the last chance"


def test_the_sample_beside_the_first_look_says_that_the_heartbeat_is_stale() -> None:
    worker = ScriptedWorker(7, 950.0, beat_at_s=START_S - 1)
    scene = Scene(worker)
    events = scene.watch(for_s=25)
    first_look_s = scene.host.looks[0][0]
    ages = [event.age_s for event in events if isinstance(event, HeartbeatSample)]
    stale = next(age for age in ages if age >= 17)
    assert abs(stale - (first_look_s - START_S + 1)) < 0.01


def test_a_worker_that_hung_and_went_on_is_spared_again_later() -> None:
    worker = ScriptedWorker(7, 950.0, beat_at_s=START_S - 1)
    scene = Scene(worker)

    def go_on() -> None:
        worker.beats_every_s = 1.0

    scene.clock.at(START_S + 22, go_on)
    events = scene.watch(for_s=100)
    samples = seconds_of(HeartbeatSample, events, 7)
    assert [second for second in samples if 25 <= second < 45] == list(range(25, 45)), "in full at first"
    assert len([second for second in samples if 60 <= second < 99]) <= 40 / 2


def test_an_end_is_noticed_at_the_next_interval_and_a_boot_in_the_log_at_once(tmp_path: Path) -> None:
    log = tmp_path / "gunicorn.log"
    log.write_text("")
    workers = [idle(pid) for pid in range(1, 6)]
    scene = Scene(*workers)

    def end_one() -> None:
        workers[2].alive = False

    def boot_one() -> None:
        scene.master.workers.append(ScriptedWorker(9, scene.clock.now_s))
        with log.open("a") as file:
            file.write(f"[{scene.clock.now():%Y-%m-%d %H:%M:%S +0000}] [9] [INFO] Booting worker with pid: 9\n")

    scene.clock.at(START_S + 11.3, end_one)
    scene.clock.at(START_S + 14.3, boot_one)
    events = scene.watch(for_s=20, log=os.fspath(log))
    [exited] = [event for event in events if isinstance(event, WorkerExited)]
    assert exited.worker is not None and exited.worker.pid == 3
    assert exited.at is not None
    assert 11.3 <= (exited.at - scene.host.wall_time_of(START_S)).total_seconds() <= 12.01
    first = next(event for event in events if isinstance(event, WorkerBooted) and _pid(event) == 9)
    assert first.origin.source == "log"
    after = events[events.index(first) + 1]
    assert isinstance(after, WorkerBooted) and after.origin.source == "process"


def _pid(event: Event) -> int | None:
    return event.worker.pid if event.worker is not None else None


def test_other_settings_are_heeded_at_once() -> None:
    scene = Scene(ScriptedWorker(1, 950.0, beat_at_s=START_S - 1), timeout_s=3600)
    replaced = ScriptedWorker(2, 950.0, beats_every_s=15.0)
    scene.master.workers.append(replaced)

    def reload() -> None:
        scene.master.values["timeout"] = 30
        replaced.alive = False

    scene.clock.at(START_S + 12.5, reload)
    scene.watch(for_s=30)
    assert scene.host.looks[0][0] <= START_S + 17.5, "stale after 17 s by the new time-out"


def test_stop_wakes_a_watch_that_waits_for_its_next_interval() -> None:
    scene = Scene(idle(1))
    collector = LiveCollector(
        MASTER,
        log="none",
        interval_s=30.0,
        clock=_RealTime(scene.clock),
        host=scene.host,
        pool=AtOnce(),
        sparing=True,
    )
    seen: list[Event] = []
    thread = threading.Thread(target=lambda: seen.extend(collector.events()))
    thread.start()
    while not any(isinstance(event, HeartbeatSample) for event in seen):
        time.sleep(0.01)
    time.sleep(0.1)
    collector.stop("interrupted")
    thread.join(5)
    assert not thread.is_alive()
    assert isinstance(seen[-1], ObservationEnded)
    collector.stop("interrupted")  # after the end: nobody is there to be woken


class _RealTime(ScriptedClock):
    """Really waits."""

    def __init__(self, shared: ScriptedClock) -> None:
        super().__init__(shared.now_s)

    def wait(self, seconds: float, descriptors: object) -> None:
        from gtdiag.collectors.clock import SystemClock

        SystemClock().wait(seconds, descriptors)  # type: ignore[arg-type]
