"""A report to what it shows of the server's run, and what it cannot show: one side of a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from gtdiag.analysis.concurrency import most_at_once
from gtdiag.analysis.wording import name_call
from gtdiag.model.comparison import Run, StartupEnd, WorkerStartup
from gtdiag.model.report import Incident, IncidentKind, KilledBy, PatternKind, Phase, Report, Worker
from gtdiag.rules.thresholds import threshold

_DEATHS = (
    IncidentKind.OOM_KILL,
    IncidentKind.EXTERNAL_KILL,
    IncidentKind.WORKER_CRASH,
    IncidentKind.WORKER_EXIT,
)
_LOG_RESOLUTION_S = 1.0
_LIVE_RESOLUTION_S = 0.1


def read_run(report: Report) -> Run:
    """What a report shows of the run, and what it cannot."""
    timeouts = [i for i in report.incidents if i.kind is IncidentKind.WORKER_TIMEOUT]
    in_startup = [i for i in timeouts if _in_startup(i, report)]
    period_s = _period_s(report)
    startups = tuple(_startup_of(worker, report) for worker in report.workers)
    ends = Counter(startup.end for startup in startups)
    failed = ends[StartupEnd.FAILED] + ends[StartupEnd.LATE] + _failures_without_a_worker(report)
    seconds = [s.seconds for s in startups if s.seconds is not None and s.end in (StartupEnd.READY, StartupEnd.LATE)]
    return Run(
        kind=report.source.kind,
        files=report.source.files,
        version=report.gunicorn.version,
        worker_class=report.gunicorn.worker_class,
        timeout_s=report.gunicorn.timeout_s,
        period_s=period_s,
        boots=sum(1 for worker in report.workers if _booted_in_sight(worker, report)),
        timeouts=len(timeouts),
        timeouts_serving=len(timeouts) - len(in_startup),
        timeouts_per_hour=round(len(timeouts) * 3600 / period_s, 3) if period_s else None,
        restart_loop_cycles=sum(p.cycles or 0 for p in report.patterns if p.kind is PatternKind.RESTART_LOOP),
        silent_startup_hangs=sum(1 for i in report.incidents if _is_hang(i) and i.resolved_at is None),
        boot_failures=sum(1 for i in report.incidents if i.kind is IncidentKind.BOOT_FAILURE),
        deaths=sum(1 for i in report.incidents if i.kind in _DEATHS and i.killed_by is not KilledBy.GUNICORN),
        startups_known=ends[StartupEnd.READY] + failed,
        startups_failed=failed,
        startups_unknown=ends[StartupEnd.UNKNOWN],
        hangs_could_be_unseen=_may_hang_unseen(report) and ends[StartupEnd.UNKNOWN] > 0,
        startup_slowest_s=max(seconds, default=None),
        startup_median_s=round(median(seconds), 3) if seconds else None,
        startup_resolution_s=_LOG_RESOLUTION_S if report.source.kind == "log" else _LIVE_RESOLUTION_S,
        ready=_ready_at_once(report, startups),
        expected=_expected(report),
        peak_rss_bytes=max((w.peak_rss_bytes for w in report.workers if w.peak_rss_bytes is not None), default=None),
        workers=startups,
        calls=_calls(report),
        health_probes=report.health.probes if report.health else None,
        health_answered=report.health.answered if report.health else None,
        health_median_s=report.health.median_latency_s if report.health else None,
        health_worst_s=report.health.worst_latency_s if report.health else None,
    )


def _is_hang(incident: Incident) -> bool:
    return incident.kind in (IncidentKind.STARTUP_HANG, IncidentKind.MASTER_HANG)


def _in_startup(incident: Incident, report: Report) -> bool:
    """Whether a time-out hit a worker that was starting: it says so, or it is one of a loop of start-ups."""
    loops = [
        p
        for p in report.patterns
        if p.kind is PatternKind.RESTART_LOOP and (p.replica, p.master_pid) == (incident.replica, incident.master_pid)
    ]
    if incident.phase is Phase.SERVING:
        return False
    return incident.phase is Phase.STARTUP or any(incident.pid in loop.pids for loop in loops)


def _failures_without_a_worker(report: Report) -> int:
    """Masters that hang while they load the application, and failed boots of which no worker is known."""
    return sum(
        1
        for i in report.incidents
        if i.kind is IncidentKind.MASTER_HANG or (i.kind is IncidentKind.BOOT_FAILURE and i.ordinal is None)
    )


def _startup_of(worker: Worker, report: Report) -> WorkerStartup:
    end = _startup_end(worker, report)
    call = name_call(worker.blocked) if worker.blocked is not None and end is not StartupEnd.READY else None
    return WorkerStartup(worker.pid, worker.ordinal, end, worker.startup_s, call)


def _startup_end(worker: Worker, report: Report) -> StartupEnd:
    own = [
        i
        for i in report.incidents
        if (i.replica, i.pid, i.ordinal, i.master_pid)
        == (worker.replica, worker.pid, worker.ordinal, worker.master_pid)
    ]
    if any(_is_hang(i) and i.resolved_at is not None for i in own):
        return StartupEnd.LATE
    startup_timeouts = [i for i in own if i.kind is IncidentKind.WORKER_TIMEOUT and _in_startup(i, report)]
    if any(_is_hang(i) or i.kind is IncidentKind.BOOT_FAILURE for i in own) or startup_timeouts:
        return StartupEnd.FAILED
    if worker.ready_at is not None or worker.first_heartbeat_seen or worker.phase is Phase.SERVING:
        return StartupEnd.READY
    if any(i.phase is Phase.SERVING for i in own):
        return StartupEnd.READY
    if worker.first_heartbeat_seen is False or worker.phase is Phase.STARTUP or worker.startup_step in _BEGUN:
        # It ended before it was ready, and not of a time-out: replaced, told to stop, killed; that is not its failing.
        return StartupEnd.UNFINISHED
    return _end_by_silence(worker, report)


_BEGUN = ("imported", "lifespan")


def _end_by_silence(worker: Worker, report: Report) -> StartupEnd:
    """Up to gunicorn 21 silence proves something: a worker that does not start is timed out, so this one started."""
    end = worker.ended_at or report.period.end
    timeout_s = report.gunicorn.timeout_s
    if _may_hang_unseen(report) or worker.booted_at is None or end is None or not timeout_s:
        return StartupEnd.UNKNOWN
    passed_s = (end - worker.booted_at).total_seconds()
    return StartupEnd.READY if passed_s > timeout_s + threshold("abort_grace_s") else StartupEnd.UNFINISHED


def _may_hang_unseen(report: Report) -> bool:
    major = (report.gunicorn.version or "").partition(".")[0]
    return not major.isdecimal() or int(major) >= threshold("silent_hang_since_major")


def _period_s(report: Report) -> float | None:
    start, end = report.period.start, report.period.end
    return round((end - start).total_seconds(), 3) if start is not None and end is not None else None


def _booted_in_sight(worker: Worker, report: Report) -> bool:
    start = report.period.start
    if worker.booted_at is None:
        return False
    return start is None or (start - worker.booted_at).total_seconds() <= threshold("log_join_s")


def _expected(report: Report) -> int | None:
    """How many workers there should be: the setting, else the most that lived at the same time."""
    if report.gunicorn.workers:
        return report.gunicorn.workers
    return most_at_once((w.booted_at, w.ended_at) for w in report.workers) or None


def _ready_at_once(report: Report, startups: Sequence[WorkerStartup]) -> int | None:
    """The most workers that were ready at the same time; None where the log does not show of anyone if it was."""
    lives = list(zip(report.workers, startups, strict=True))
    known = [pair for pair in lives if pair[1].end is not StartupEnd.UNKNOWN]
    if not known:
        return None if lives else 0
    ready = [
        (worker.ready_at or worker.booted_at, worker.ended_at)
        for worker, startup in known
        if startup.end in (StartupEnd.READY, StartupEnd.LATE)
    ]
    if len(known) < len(lives) and not ready:
        return None
    return most_at_once(ready)


def _calls(report: Report) -> tuple[str, ...]:
    kinds = (IncidentKind.WORKER_TIMEOUT, IncidentKind.STARTUP_HANG, IncidentKind.MASTER_HANG)
    counts = Counter(name_call(i.blocked) for i in report.incidents if i.blocked is not None and i.kind in kinds)
    return tuple(name for name, _ in counts.most_common(3))
