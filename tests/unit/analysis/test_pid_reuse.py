"""A pid that comes back within one sample: the log tells of the new worker before the end of the old one is seen."""

from __future__ import annotations

import itertools

from gtdiag.model import events
from gtdiag.model.identity import Origin, WorkerId
from tests.unit.analysis.story import MASTER, Story, moment

OLD, NEW = WorkerId(7, started_at_s=100.0), WorkerId(7, started_at_s=110.0)
IN_LOG = WorkerId(7, spawn=2)


def test_a_late_word_of_the_old_process_makes_no_third_worker() -> None:
    story = Story()
    seq = itertools.count(10_000)

    def add(kind: type[events.Event], at: float, worker: WorkerId, **values: object) -> None:
        source = "log" if worker is IN_LOG else "process"
        story.told.append(
            kind(
                origin=Origin(source),
                at=moment(at),
                resolution_s=0.2,
                seq=next(seq),
                worker=worker,
                master_pid=MASTER,
                **values,  # type: ignore[arg-type]
            )
        )

    story.master(version="23.0.0", timeout_s=30)
    add(events.WorkerBooted, 0, OLD)
    add(events.HeartbeatSample, 9, OLD, age_s=0.5, ever=True)
    add(events.WorkerSignalled, 10.2, WorkerId(7, spawn=1), signal="SIGKILL")
    add(events.WorkerBooted, 10.2, IN_LOG)
    add(events.WorkerExited, 10.4, OLD, code=None)
    add(events.WorkerBooted, 10.0, NEW)
    add(events.HeartbeatSample, 10.5, OLD, age_s=9.0, ever=True)
    add(events.HeartbeatSample, 11, NEW, age_s=0.1, ever=True)
    old, new = story.report().workers
    assert (old.pid, new.pid) == (7, 7)
    assert old.ended_at is not None and new.ended_at is None
    assert (old.heartbeat_age_s, new.heartbeat_age_s) == (9.0, 0.1)


def test_a_worker_that_was_gone_before_its_lines_were_read_is_one() -> None:
    """It lived for some milliseconds, as those do that exit in their boot; the log is read five times a second."""
    story = Story()
    story.master(version="23.0.0", timeout_s=30)
    seq = itertools.count(10_000)
    for number in range(5):
        process, in_log = WorkerId(20 + number, started_at_s=100.0 + number), WorkerId(20 + number, spawn=1)
        for kind, at, worker, values in (
            (events.WorkerBooted, 0.0, process, {}),
            (events.WorkerExited, 0.01, process, {"code": None}),
            (events.WorkerBooted, 0.17, in_log, {}),
            (events.WorkerExited, 0.17, in_log, {"code": 1}),
        ):
            origin = Origin("log" if worker is in_log else "process")
            told = kind(
                origin=origin, at=moment(number + at), seq=next(seq), worker=worker, master_pid=MASTER, **values
            )
            story.told.append(told)
    report = story.report()
    assert [worker.pid for worker in report.workers] == [20, 21, 22, 23, 24]
    assert [incident.pid for incident in report.incidents] == [20, 21, 22, 23, 24]
