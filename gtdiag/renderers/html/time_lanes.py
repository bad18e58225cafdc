"""A report to the geometry of its time-line: which worker lies in which lane, from when to when, with what marks."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gtdiag.model.report import Blocked, Incident, IncidentKind, KilledBy, Period, Phase, Report, Worker, WorkerEnd
from gtdiag.renderers.report_words import needs_attention

_Key = tuple[str | None, int | None, int | None, int | None]
"""Of a worker, and of its incidents: replica, master, pid, ordinal."""

MAX_LANES = 40
MAX_BARS = 600
"""What can be told apart on a screen, and about 1 KB of page each. The page says how many it leaves out."""

MAX_MARKS_WITHOUT_A_WORKER = 100

ONE_LOOK_S = 5.0
"""A shorter period is one look (a snapshot): the time-line then begins earlier, to show since when the workers run."""

LOOK_BACK_S = 60.0
"""How far it then begins earlier at most, where no time-out says what matters."""

MUCH_OF_THE_PERIOD = 0.25
"""Where all that happened lies in less than this share of the period, the time-line shows only that part of it."""

PADDING = 0.04

STAMP = timedelta(seconds=1)
"""gunicorn's stamps are whole seconds: an end may be told after the boot of the worker that takes the place."""


class MarkKind(str, enum.Enum):
    """A moment in the life of a worker."""

    TIMEOUT = "timeout"
    KILLED = "killed"
    FAILED = "failed"
    ENDED = "ended"
    HUNG = "hung"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment to be marked; `incident` is the place of its incident in the report, where it is of one."""

    at: datetime
    kind: MarkKind
    incident: int | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One worker's life as far as it is shown. `index` is its place in the report.

    `phase` is the last one it is known to have been in. `blocked_from` is None where it is not known how long it was
    blocked; `goes_on`: it was running when the period ended.
    """

    index: int
    worker: Worker
    start: datetime
    end: datetime
    serving_from: datetime | None
    phase: Phase | None
    blocked: Blocked | None
    blocked_from: datetime | None
    blocked_to: datetime | None
    began_before: bool
    goes_on: bool
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """Workers of one master, each begun after the one before it had ended: gunicorn replaces what it loses."""

    master_pid: int | None
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class TimeLine:
    """What is drawn, and how much is not. `cut`: less than the report's period, as nothing happened in the rest."""

    start: datetime
    end: datetime
    lanes: tuple[Lane, ...]
    loose_marks: tuple[Mark, ...]
    left_out: int
    without_time: int
    cut: bool

    def share_of(self, at: datetime) -> float:
        """Return where a moment lies: 0 at the start, 1 at the end, never outside."""
        whole_s = (self.end - self.start).total_seconds()
        return min(1.0, max(0.0, (at - self.start).total_seconds() / whole_s))


def lay_out(report: Report) -> TimeLine | None:
    """Return the time-line of the report; None where it has no time to draw it by."""
    window = _window_of(report)
    if window is None:
        return None
    start, end, cut = window
    incidents = _incidents_by_worker(report)
    dated = [
        (index, worker)
        for index, worker in enumerate(report.workers)
        if _has_a_time(worker, incidents.get(_key(worker)))
    ]
    chosen = _choose(dated)
    bars = [_bar_of(index, worker, incidents.get(_key(worker), ()), start, end) for index, worker in chosen]
    lanes = _pack(sorted((bar for bar in bars if bar is not None), key=lambda bar: (bar.start, bar.index)))
    shown = sorted(lanes, key=lambda lane: not any(needs_attention(bar.worker) for bar in lane.bars))[:MAX_LANES]
    drawn = sum(len(lane.bars) for lane in shown)
    return TimeLine(
        start=start,
        end=end,
        lanes=tuple(
            sorted(shown, key=lambda lane: (*_owner(lane.bars[0].worker), lane.bars[0].start, lane.bars[0].index))
        ),
        loose_marks=tuple(_loose_marks(report)),
        left_out=len(dated) - drawn,
        without_time=len(report.workers) - len(dated),
        cut=cut,
    )


def _owner(worker: Worker) -> tuple[str, int]:
    return (worker.replica or "", worker.master_pid or 0)


def _key(one: Worker | Incident) -> _Key:
    return (one.replica, one.master_pid, one.pid, one.ordinal)


def _incidents_by_worker(report: Report) -> dict[_Key, list[tuple[int, Incident]]]:
    found: dict[_Key, list[tuple[int, Incident]]] = {}
    for index, incident in enumerate(report.incidents):
        if incident.pid is not None:
            found.setdefault(_key(incident), []).append((index, incident))
    return found


def _loose_marks(report: Report) -> Iterable[Mark]:
    """The incidents of masters and of workers that are not known: they have no lane."""
    known = {_key(worker) for worker in report.workers}
    loose = [
        Mark(incident.at, _kind_of(incident), index)
        for index, incident in enumerate(report.incidents)
        if incident.at is not None and _key(incident) not in known
    ]
    return loose[:MAX_MARKS_WITHOUT_A_WORKER]


def _has_a_time(worker: Worker, incidents: Sequence[tuple[int, Incident]] | None) -> bool:
    return (
        worker.end is WorkerEnd.RUNNING
        or worker.booted_at is not None
        or worker.ended_at is not None
        or any(incident.at is not None for _, incident in incidents or ())
    )


def _choose(workers: list[tuple[int, Worker]]) -> list[tuple[int, Worker]]:
    if len(workers) <= MAX_BARS:
        return workers
    urgent_first = sorted(workers, key=lambda one: (one[1].blocked is None, not needs_attention(one[1])))
    return sorted(urgent_first[:MAX_BARS])


def _window_of(report: Report) -> tuple[datetime, datetime, bool] | None:
    moments = [moment for worker in report.workers for moment in _moments_of(worker)]
    moments += [moment for one in report.incidents for moment in (one.at, one.resolved_at) if moment is not None]
    period: Period = report.period
    start = period.start or min(moments, default=None)
    end = period.end or max(moments, default=None)
    if start is None or end is None:
        return None
    if (end - start).total_seconds() < ONE_LOOK_S:
        look_back_s = 2.0 * report.gunicorn.timeout_s if report.gunicorn.timeout_s else LOOK_BACK_S
        earlier = max(min(moments, default=start), end - timedelta(seconds=look_back_s))
        start = min(start, earlier)
    if end <= start:
        end = start + timedelta(seconds=1)
    return _without_the_uneventful(start, end, moments)


def _without_the_uneventful(start: datetime, end: datetime, moments: list[datetime]) -> tuple[datetime, datetime, bool]:
    within = [moment for moment in moments if start <= moment <= end]
    if not within:
        return start, end, False
    first, last = min(within), max(within)
    whole_s, eventful_s = (end - start).total_seconds(), (last - first).total_seconds()
    if eventful_s >= MUCH_OF_THE_PERIOD * whole_s or eventful_s < ONE_LOOK_S:
        return start, end, False
    padding = timedelta(seconds=PADDING * eventful_s)
    return max(start, first - padding), min(end, last + padding), True


def _moments_of(worker: Worker) -> Iterable[datetime]:
    return (at for at in (worker.booted_at, worker.ready_at, worker.ended_at) if at is not None)


def _bar_of(
    index: int, worker: Worker, incidents: Sequence[tuple[int, Incident]], start: datetime, end: datetime
) -> Bar | None:
    times = [incident.at for _, incident in incidents if incident.at is not None]
    known_end = worker.ended_at or (max(times, default=None) if worker.end is not WorkerEnd.RUNNING else None)
    goes_on = worker.end is WorkerEnd.RUNNING
    born, died = worker.booted_at or start, end if goes_on else known_end or worker.booted_at or end
    if died < start or born > end:
        return None
    shown_from, shown_to = max(born, start), min(max(died, born), end)
    blocked = worker.blocked or next((one.blocked for _, one in incidents if one.blocked is not None), None)
    blocked_from = blocked_to = None
    if blocked is not None and blocked.seconds:
        blocked_to = _end_of_the_block(worker, incidents, shown_to)
        blocked_from = max(shown_from, blocked_to - timedelta(seconds=blocked.seconds))
    ready = worker.ready_at
    return Bar(
        index=index,
        worker=worker,
        start=shown_from,
        end=shown_to,
        serving_from=None if ready is None else min(max(ready, shown_from), shown_to),
        phase=_phase_of(worker, incidents),
        blocked=blocked,
        blocked_from=blocked_from,
        blocked_to=blocked_to,
        began_before=worker.booted_at is None or worker.booted_at < start,
        goes_on=goes_on or died > end,
        marks=tuple(mark for mark in _marks_of(worker, incidents, known_end) if start <= mark.at <= end),
    )


def _phase_of(worker: Worker, incidents: Sequence[tuple[int, Incident]]) -> Phase | None:
    if worker.phase is not Phase.EXITED and worker.phase is not None:
        return worker.phase
    if worker.ready_at is not None or worker.first_heartbeat_seen:
        return Phase.SERVING
    told = next((one.phase for _, one in incidents if one.phase in (Phase.STARTUP, Phase.SERVING)), None)
    return told or (Phase.STARTUP if worker.first_heartbeat_seen is False else None)


def _end_of_the_block(worker: Worker, incidents: Sequence[tuple[int, Incident]], shown_to: datetime) -> datetime:
    """A worker that is still blocked is so until now; one that went on, until then; else until its time-out."""
    if worker.blocked is not None and worker.end is WorkerEnd.RUNNING:
        return shown_to
    of_blame = [one for _, one in incidents if one.blocked is not None]
    for one in of_blame:
        if one.resolved_at is not None:
            return min(one.resolved_at, shown_to)
    times = [one.at for one in of_blame if one.at is not None and one.kind is not IncidentKind.STARTUP_HANG]
    return min(max(times, default=shown_to), shown_to)


def _kind_of(incident: Incident) -> MarkKind:
    if incident.kind is IncidentKind.WORKER_TIMEOUT:
        return MarkKind.TIMEOUT
    if incident.kind in (IncidentKind.STARTUP_HANG, IncidentKind.MASTER_HANG):
        return MarkKind.HUNG
    if incident.kind is IncidentKind.BOOT_FAILURE:
        return MarkKind.FAILED
    return MarkKind.KILLED if incident.killed_by is not KilledBy.NONE else MarkKind.FAILED


_KINDS_OF_ENDS = {
    WorkerEnd.TIMEOUT: MarkKind.KILLED,
    WorkerEnd.SIGKILL: MarkKind.KILLED,
    WorkerEnd.OOM: MarkKind.KILLED,
    WorkerEnd.SIGNAL: MarkKind.KILLED,
    WorkerEnd.BOOT_FAILURE: MarkKind.FAILED,
    WorkerEnd.EXIT: MarkKind.ENDED,
}


def _marks_of(worker: Worker, incidents: Sequence[tuple[int, Incident]], ended_at: datetime | None) -> Iterable[Mark]:
    end_told = False
    for index, incident in incidents:
        if incident.at is not None:
            kind = _kind_of(incident)
            end_told = end_told or kind in (MarkKind.KILLED, MarkKind.FAILED)
            yield Mark(incident.at, kind, index)
        if incident.resolved_at is not None:
            yield Mark(incident.resolved_at, MarkKind.RESOLVED, index)
    if ended_at is not None and worker.end in _KINDS_OF_ENDS and not end_told:
        yield Mark(ended_at, _KINDS_OF_ENDS[worker.end])


def _pack(bars: Iterable[Bar]) -> list[Lane]:
    """Give each bar, by its start, a lane of its master that is free, else a new one."""
    lanes: list[list[Bar]] = []
    for bar in bars:
        free = [
            lane
            for lane in lanes
            if _owner(lane[-1].worker) == _owner(bar.worker)
            and not lane[-1].goes_on
            and lane[-1].end <= bar.start + STAMP
        ]
        if free:
            # Of several, the one that has been free the longest: each of four that ended together gets one successor.
            min(free, key=lambda lane: lane[-1].end).append(bar)
        else:
            lanes.append([bar])
    return [Lane(lane[0].worker.master_pid, tuple(lane)) for lane in lanes]
