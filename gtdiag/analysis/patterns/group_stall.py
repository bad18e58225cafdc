"""All workers timing out at one moment, though nothing held them, to a host or container that stood still."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta

from gtdiag.analysis.judging import Judgement
from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import name_call, seconds_in_words
from gtdiag.model.report import Confidence, IncidentKind, Pattern, PatternKind, Phase
from gtdiag.rules.thresholds import threshold


def match_group_stall(group: MasterGroup) -> list[Pattern]:
    """Every worker that was there timed out within a second, and what is seen of them is no common call."""
    timed_out = [j for j in group.judgements if j.kind is IncidentKind.WORKER_TIMEOUT and j.at is not None]
    timed_out.sort(key=lambda j: (_second_of(j), j.life.pid))
    presence = _Presence(group)
    found: list[Pattern] = []
    begin = 0
    while begin < len(timed_out):
        first = _second_of(timed_out[begin])
        end = begin + 1
        while end < len(timed_out) and _second_of(timed_out[end]) - first <= _ONE_MOMENT:
            end += 1
        together, begin = timed_out[begin:end], end
        pattern = _stall(group, together, presence.count_at(first), first)
        if pattern is not None:
            found.append(pattern)
    return found


_ONE_MOMENT = timedelta(seconds=threshold("group_stall_moment_s"))


def _second_of(judgement: Judgement) -> datetime:
    # gunicorn's stamps are cut to the second, those of what carries the log are not: the second is what all have.
    assert judgement.at is not None
    return judgement.at.replace(microsecond=0)


class _Presence:
    """How many workers lived at a moment, for any moment: sorted once, not one look at every life per moment."""

    def __init__(self, group: MasterGroup) -> None:
        self._begins: list[datetime] = []
        self._ends: list[datetime] = []
        for judgement in group.judgements:
            life = judgement.life
            begin, end = life.booted_at or life.first_seen_at, life.ended_at
            if begin is not None:
                self._begins.append(begin)
                if end is not None:
                    self._ends.append(max(begin, end))
        self._begins.sort()
        self._ends.sort()

    def count_at(self, at: datetime) -> int:
        """How many lived before that moment and had not ended by then."""
        before = at - _ONE_MOMENT
        return bisect_left(self._begins, before) - bisect_left(self._ends, before)


def _stall(group: MasterGroup, together: list[Judgement], there: int, at: datetime) -> Pattern | None:
    if any(j.phase is Phase.STARTUP for j in together):
        return None
    if len(together) < max(there, min(2, group.workers_at_once())):
        return None
    stopped = [j for j in together if j.life.stopped_at is not None and _shortly_before(j.life.stopped_at, at)]
    pause = group.judge.observation.rhythm.pause_before(at)
    if len(stopped) == len(together):
        why, confidence = "they were stopped (SIGSTOP, a debugger, or a paused container)", Confidence.HIGH
    elif pause is not None and len(together) >= 2:
        why = f"nothing here ran for {seconds_in_words(pause)}, gtdiag neither: the host was suspended or starved"
        confidence = Confidence.HIGH
    elif _could_be_a_stall(together, group):
        why = "the host was suspended or starved, or all of them waited for the same thing: the log does not tell"
        confidence = Confidence.LOW
    else:
        return None
    evidence = [f"worker {j.life.pid} was seen stopped (process state T, or its cgroup frozen)" for j in stopped[:4]]
    if pause is not None:
        evidence.append(f"no sample could be taken for {seconds_in_words(pause)} before the time-outs")
    if confidence is Confidence.LOW and (major := group.master.version_major if group.master else None) is not None:
        evidence.append(
            "this gunicorn does not count the time in which the host is suspended (monotonic clock, 22.0 and later)"
            if major >= threshold("silent_hang_since_major")
            else "this gunicorn counts the time in which the host is suspended (wall clock, before 22.0)"
        )
    return Pattern(
        kind=PatternKind.GROUP_STALL,
        summary=f"all {len(together)} workers timed out within one second: {why}",
        confidence=confidence,
        pids=tuple(j.life.pid for j in together),
        master_pid=group.master_pid,
        of_workers=there,
        evidence=tuple(evidence),
    )


def _shortly_before(seen_at: datetime, at: datetime) -> bool:
    return abs((at - seen_at).total_seconds()) <= threshold("log_join_s") + 1.0


def _could_be_a_stall(together: list[Judgement], group: MasterGroup) -> bool:
    """A log alone: enough workers that it is no chance, and none of them shows what it was doing."""
    if len(together) < threshold("group_stall_workers") or any(j.life.seen_live for j in together):
        return False
    return not any(j.blocked is not None and name_call(j.blocked) for j in together)
