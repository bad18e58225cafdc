"""The state of a fold to a report: judges every life, finds the patterns, draws the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from gtdiag import __version__
from gtdiag.analysis.fold import Fold
from gtdiag.analysis.judging import Judge, Judgement
from gtdiag.analysis.lives import MasterLife, WorkerLife
from gtdiag.analysis.patterns import find_patterns
from gtdiag.analysis.verdict import draw_verdict
from gtdiag.analysis.wording import count_of
from gtdiag.model.report import (
    Gap,
    GunicornFacts,
    Incident,
    IncidentKind,
    KernelOomRecord,
    KilledBy,
    Period,
    Phase,
    Report,
    Source,
    Worker,
    WorkerEnd,
)

_MOST_CALLS = 3
"""Of workers that are not in the report; more is for a report of that part."""


def draw_report(fold: Fold) -> Report:
    """The report of everything folded until now."""
    fold.settle()
    seen = fold.observation
    judge = Judge(seen, fold.population.workers)
    judgements = [judge.judge(life) for life in fold.population.workers if not _only_in_backlog(life, seen.started_at)]
    patterns = find_patterns(judgements, judge)
    loading = [found for master in fold.population.masters if (found := judge.judge_master(master)) is not None]
    incidents = _number(
        [_incident_of(j) for j in judgements if j.kind is not None]
        + _unowned_boot_failures(fold, judgements)
        + _kernel_kills_of_unseen_workers(fold, judgements)
        + [found.incident() for found in loading if found.overdue]
    )
    workers = tuple(_worker_of(j, seen.last_at) for j in judgements)
    masters = tuple(_facts_of(master, judge, fold) for master in fold.population.masters)
    facts = _leading_master(masters, fold)
    gaps = (*seen.gaps.values(), *_forgotten(fold), *_what_a_log_cannot_show(seen.kind, judgements, judge))
    verdict = draw_verdict(
        incidents, patterns, workers, facts, gaps, [one for one in loading if one.over_at is None], fold.rules
    )
    if forgotten := fold.population.forgotten.lives:
        # No figure may pass for the whole.
        those = f"The first and the latest of {forgotten + len(incidents):,} workers that had trouble: "
        verdict = replace(verdict, summary=those + verdict.summary)
    return Report(
        gtdiag_version=__version__,
        source=Source(seen.kind, seen.pid, seen.files),
        gunicorn=facts,
        period=Period(seen.first_at, seen.last_at),
        workers=workers,
        incidents=incidents,
        patterns=patterns,
        verdict=verdict,
        gaps=gaps,
        masters=masters,
        kernel_oom_kills=_kernel_records(fold, judgements),
        health=seen.health.conclude(_process_start(fold)),
    )


def _what_a_log_cannot_show(kind: str, judgements: list[Judgement], judge: Judge) -> tuple[Gap, ...]:
    """What is no finding although a log is silent: a hang that leaves no line, the call of a worker that was killed."""
    if kind != "log":
        return ()
    gaps = []
    if any(judge.could_hang_unseen(judgement) for judgement in judgements):
        gaps.append(
            Gap(
                "heartbeat",
                "a log shows nothing of a worker that hangs before its first heartbeat (gunicorn 22 and later)",
                "look at the running server: gtdiag snapshot PID",
            )
        )
    unexplained = sum(1 for j in judgements if j.kind is IncidentKind.WORKER_TIMEOUT and j.blocked is None)
    if unexplained:
        gaps.append(
            Gap(
                "blocked_call",
                f"the log has no traceback of {count_of(unexplained, 'worker')} that timed out: which call it was does "
                "not show in it",
                "watch the running server until it happens again: gtdiag watch PID --until-incident",
            )
        )
    return tuple(gaps)


def _only_in_backlog(life: WorkerLife, started_at: datetime | None) -> bool:
    """A worker of before the watch began that was gone by then, and of whose end nothing was logged after it."""
    died_at = life.death.at if life.death is not None else None
    ended_in_watch = died_at is not None and started_at is not None and died_at >= started_at
    return life.from_backlog and not life.seen_live and not ended_in_watch


def _process_start(fold: Fold) -> datetime | None:
    """When the latest master's process began, live."""
    known = [m.process_started_at for m in fold.population.masters if m.process_started_at is not None]
    return max(known, default=None)


def _worker_of(judgement: Judgement, last_at: datetime | None) -> Worker:
    life = judgement.life
    ended = judgement.end is not WorkerEnd.RUNNING
    startup_s = None
    if life.ready_at is not None and life.booted_at is not None:
        startup_s = max(0.0, round((life.ready_at - life.booted_at).total_seconds(), 3))
    phase = Phase.EXITED if ended else judgement.phase
    return Worker(
        pid=life.pid,
        ordinal=life.ordinal,
        master_pid=life.master.pid if life.master else None,
        phase=phase,
        booted_at=life.booted_at,
        ready_at=life.ready_at,
        startup_s=startup_s,
        ended_at=life.ended_at if ended else None,
        end=judgement.end,
        end_signal=life.death.signal if life.death else None,
        end_code=life.death.code if life.death else None,
        heartbeat_age_s=life.heartbeat_age_s,
        first_heartbeat_seen=life.heartbeat_ever,
        rss_bytes=life.rss_bytes,
        peak_rss_bytes=life.peak_rss_bytes,
        growth_bytes_per_s=life.growth_bytes_per_s(),
        cpu_percent=life.cpu_percent,
        startup_step=life.step,
        request=life.leading_request(),
        blocked=judgement.blocked,
        startup_steps=life.startup.conclude(life.booted_at, life.ready_at or life.ended_at or last_at),
        requests=life.requests.requests(),
        replica=life.stream or None,
        memory_points=life.memory.points(),
    )


def _incident_of(judgement: Judgement) -> Incident:
    assert judgement.kind is not None
    life = judgement.life
    return Incident(
        id="",
        kind=judgement.kind,
        pid=life.pid,
        ordinal=life.ordinal,
        master_pid=life.master.pid if life.master else None,
        at=judgement.at,
        resolved_at=judgement.resolved_at,
        phase=judgement.phase,
        killed_by=judgement.killed_by,
        summary=judgement.summary,
        blocked=judgement.blocked,
        request=life.leading_request(),
        memory=judgement.memory,
        evidence=judgement.evidence,
        replica=life.stream or None,
    )


def _unowned_boot_failures(fold: Fold, judgements: list[Judgement]) -> list[Incident]:
    """Failed boots of which no worker is known: a loading error or a halting master without a worker's line."""
    found = []
    explained = {id(j.life.master) for j in judgements if j.kind is IncidentKind.BOOT_FAILURE}
    streams = {j.life.stream for j in judgements if j.kind is IncidentKind.BOOT_FAILURE}
    for failure in fold.observation.unowned_boot_failures:
        if failure.master is None and failure.stream in streams:
            continue  # a master without a pid that halts because of workers that are known to have failed
        found.append(_boot_failure(failure.at, failure.reason, failure.master, failure.stream))
        explained.add(id(failure.master))
    for master in fold.population.masters:
        if master.halted_reason is not None and id(master) not in explained:
            found.append(_boot_failure(master.halted_at, master.halted_reason, master, master.stream))
    return found


def _boot_failure(at: datetime | None, reason: str, master: MasterLife | None, stream: str) -> Incident:
    return Incident(
        id="",
        kind=IncidentKind.BOOT_FAILURE,
        pid=None,
        ordinal=None,
        master_pid=master.pid if master else None,
        at=at,
        resolved_at=None,
        phase=Phase.STARTUP,
        killed_by=KilledBy.NONE,
        summary=f"a worker failed to boot: {reason}",
        replica=stream or None,
    )


def _kernel_kills_of_unseen_workers(fold: Fold, judgements: list[Judgement]) -> list[Incident]:
    """The kernel's records of killed gunicorn processes that no line of gunicorn's speaks of.

    Only where logs are all there is: of a master that was watched every worker is known, and the kernel's log is the
    whole host's, with the workers of other masters.
    """
    if fold.observation.pid is not None:
        return []
    known = {j.life.pid for j in judgements}
    by_kernel = [j for j in judgements if j.killed_by is KilledBy.KERNEL_OOM]
    found = []
    for record in fold.observation.kernel_kills:
        is_gunicorn = record.process is not None and "gunicorn" in record.process
        if not is_gunicorn or record.pid in known or _explained_by(record, by_kernel):
            continue
        found.append(
            Incident(
                id="",
                kind=IncidentKind.OOM_KILL,
                pid=record.pid,
                ordinal=None,
                master_pid=None,
                at=record.at,
                resolved_at=None,
                phase=None,
                killed_by=KilledBy.KERNEL_OOM,
                summary=f"the kernel killed process {record.pid} ({record.process}): out of memory",
            )
        )
    return found


def _explained_by(record: KernelOomRecord, by_kernel: list[Judgement]) -> bool:
    return any(j.at is None or record.at is None or abs((j.at - record.at).total_seconds()) <= 5.0 for j in by_kernel)


def _kernel_records(fold: Fold, judgements: list[Judgement]) -> tuple[KernelOomRecord, ...]:
    by_kernel = [j for j in judgements if j.killed_by is KilledBy.KERNEL_OOM]
    killed = {j.life.pid for j in by_kernel}
    return tuple(
        KernelOomRecord(
            at=record.at,
            pid=record.pid,
            process=record.process,
            worker=record.pid in killed
            or (fold.observation.pid is None and record.process is not None and "gunicorn" in record.process),
        )
        for record in fold.observation.kernel_kills
        # A count that rose has no pid: where a worker's end explains it, it is that kill once more.
        if record.pid is not None or not _explained_by(record, by_kernel)
    )


def _forgotten(fold: Fold) -> Iterator[Gap]:
    """What a report that held everything would be too large for."""
    told = fold.population.forgotten
    if not told.lives:
        return
    when = ""
    if told.first_at is not None and told.last_at is not None:
        when = f" between {told.first_at:%Y-%m-%d %H:%M} and {told.last_at:%Y-%m-%d %H:%M}"
    part = "gtdiag redact RECORDING -o PART" if fold.observation.kind == "live" else "gtdiag analyze LOG"
    calls = sorted(told.calls.items(), key=lambda item: (-item[1], item[0]))[:_MOST_CALLS]
    blocked = ", ".join(f"{times:,} in {call}" for call, times in calls)
    yield Gap(
        "workers",
        f"{told.lives:,} more workers that ended{when}, {told.timed_out:,} of them timed out, are in no figure of this "
        "report: of so many it holds the first and the latest"
        + (f". As far as their tracebacks tell, they were blocked most often: {blocked}" if blocked else ""),
        f"look at a part: {part} --since TIME --until TIME",
    )


def _number(incidents: list[Incident]) -> tuple[Incident, ...]:
    """Incidents in the order of time, with their ids."""
    ordered = sorted(
        incidents, key=lambda i: (i.at is None, i.at.timestamp() if i.at else 0.0, i.replica or "", i.pid or 0)
    )
    return tuple(replace(incident, id=f"i{number}") for number, incident in enumerate(ordered, start=1))


def _facts_of(master: MasterLife, judge: Judge, fold: Fold) -> GunicornFacts:
    return GunicornFacts(
        version=master.version,
        master_pid=master.pid,
        worker_class=master.worker_class,
        workers=master.workers,
        timeout_s=judge.known_timeout_s(master),
        graceful_timeout_s=master.graceful_timeout_s,
        preload=master.preload,
        python=master.python,
        application=master.application,
        settings_source=master.settings_source,
        started_at=master.started_at,
        ended_at=master.ended_at,
        stream=master.stream,
    )


def _leading_master(masters: tuple[GunicornFacts, ...], fold: Fold) -> GunicornFacts:
    """The master the report is about: the watched one, or the last one in a log."""
    watched = [m for m in masters if fold.observation.pid is not None and m.master_pid == fold.observation.pid]
    if watched:
        return watched[-1]
    return masters[-1] if masters else GunicornFacts()
