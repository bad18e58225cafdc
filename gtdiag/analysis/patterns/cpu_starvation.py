"""Time-outs of workers whose main thread was ready to run and got no CPU to the starvation they died of."""

from __future__ import annotations

from gtdiag.analysis.cpu_time import GroupCpu, ThreadCpu
from gtdiag.analysis.judging import Judgement
from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import count_of, seconds_in_words
from gtdiag.model.report import Confidence, IncidentKind, Pattern, PatternKind
from gtdiag.rules.thresholds import threshold

_KINDS = (IncidentKind.WORKER_TIMEOUT, IncidentKind.STARTUP_HANG)


def match_cpu_starvation(group: MasterGroup) -> list[Pattern]:
    """Workers over (or near) the time-out that waited for a CPU for most of the time since their last heartbeat."""
    starved: list[tuple[Judgement, ThreadCpu]] = []
    for judgement in group.judgements:
        cpu = judgement.life.cpu_since_last_heartbeat()
        if cpu is not None and _counts(judgement, cpu, group):
            starved.append((judgement, cpu))
    if not starved:
        return []
    worst, cpu = max(starved, key=lambda pair: pair[1].waited_share)
    begin, end = worst.life.last_beat_at(), worst.life.last_seen_at
    around = group.master.cpu.between(begin, end) if group.master is not None and begin and end else None
    agrees = around is not None and max(around.throttled_share, around.pressure_share) >= threshold("starved_share")
    return [
        Pattern(
            kind=PatternKind.CPU_STARVATION,
            summary=f"{count_of(len(starved), 'worker')} got too little CPU to send a heartbeat: "
            f"ready to run for {seconds_in_words(cpu.ran_s + cpu.waited_s)} of {seconds_in_words(cpu.seconds)}, "
            f"on a CPU for {seconds_in_words(cpu.ran_s)}{_by_whom(around)}",
            confidence=Confidence.HIGH if agrees else Confidence.MEDIUM,
            pids=tuple(j.life.pid for j, _ in starved),
            master_pid=group.master_pid,
            of_workers=group.workers_at_once(),
            evidence=_evidence(starved, around),
        )
    ]


def _counts(judgement: Judgement, cpu: ThreadCpu, group: MasterGroup) -> bool:
    if cpu.waited_share < threshold("starved_share") or judgement.resolved_at is not None:
        return False
    if judgement.kind in _KINDS:
        # Of a time-out, most of the time must have been seen.
        return cpu.seconds >= threshold("starved_seen_share") * group.judge.effective_timeout_s(group.master)
    return judgement.kind is None and not judgement.life.ended and cpu.seconds >= threshold("starved_s")


def _by_whom(around: GroupCpu | None) -> str:
    if around is None:
        return ""
    if around.throttled_share >= threshold("starved_share"):
        quota = f" of {around.quota_cores:g} cores" if around.quota_cores is not None else ""
        return f"; the CPU quota{quota} of its cgroup throttled it"
    if around.pressure_share >= threshold("starved_share"):
        return "; too many processes competed for the CPUs"
    return ""


def _evidence(starved: list[tuple[Judgement, ThreadCpu]], around: GroupCpu | None) -> tuple[str, ...]:
    lines = [
        f"worker {j.life.pid}: its main thread ran {cpu.ran_s:.2f} s and waited {cpu.waited_s:.2f} s for a CPU in "
        f"{cpu.seconds:.1f} s (schedstat)"
        for j, cpu in starved[:4]
    ]
    if around is not None and around.periods:
        lines.append(f"throttled in {around.throttled_periods} of {around.periods} periods (cpu.stat of the cgroup)")
    if around is not None and around.pressure_s is not None:
        lines.append(
            f"something waited for a CPU {around.pressure_share:.0%} of the time (pressure of the {around.pressure_of})"
        )
    return tuple(lines)
