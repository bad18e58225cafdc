"""Workers that got ready, but only after most of the time-out, or long after their siblings, to a slow start-up."""

from __future__ import annotations

from statistics import median

from gtdiag.analysis.judging import Judgement
from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import count_of, seconds_in_words
from gtdiag.model.report import Confidence, Pattern, PatternKind, StartupStep
from gtdiag.rules.thresholds import threshold

_MAX_EVIDENCE = 4


def match_slow_startup(group: MasterGroup) -> list[Pattern]:
    """Start-ups that are over: one that is not is a hang or a time-out. A lone slow worker may be an elected one."""
    seconds = {id(j): s for j in group.judgements if (s := _startup_s(j)) is not None}
    ready = [j for j in group.judgements if id(j) in seconds]
    timeout_s = group.judge.effective_timeout_s(group.master)
    near = [j for j in ready if timeout_s and seconds[id(j)] >= threshold("slow_startup_share") * timeout_s]
    if near:
        slowest_s = max(seconds[id(j)] for j in near)
        words = (
            f"{count_of(len(near), 'worker')} took up to {seconds_in_words(slowest_s)} to start, "
            f"{100 * slowest_s / timeout_s:.0f} % of the time-out of {seconds_in_words(timeout_s)}"
        )
        return [_pattern(group, near, words, Confidence.HIGH)]
    lone = [
        j
        for j in ready
        if seconds[id(j)] >= threshold("slow_startup_min_s")
        and len(ready) > 1
        and seconds[id(j)]
        >= threshold("slow_startup_factor") * max(0.1, median(seconds[id(other)] for other in ready if other is not j))
    ]
    if not lone:
        return []
    slowest_s = max(seconds[id(j)] for j in lone)
    others_s = median(seconds[id(j)] for j in ready if j not in lone)
    words = (
        f"{count_of(len(lone), 'worker')} took {seconds_in_words(slowest_s)} to start, "
        f"the others {seconds_in_words(others_s)}"
    )
    return [_pattern(group, lone, words, Confidence.LOW)]


def _startup_s(judgement: Judgement) -> float | None:
    life = judgement.life
    if life.ready_at is None or life.booted_at is None:
        return None
    return (life.ready_at - life.booted_at).total_seconds()


def _pattern(group: MasterGroup, slow: list[Judgement], words: str, confidence: Confidence) -> Pattern:
    life = max(slow, key=lambda j: _startup_s(j) or 0.0).life
    steps = life.startup.conclude(life.booted_at, life.ready_at)
    longest = sorted(steps, key=lambda step: -step.seconds)[:_MAX_EVIDENCE]
    return Pattern(
        kind=PatternKind.SLOW_STARTUP,
        summary=words,
        confidence=confidence,
        pids=tuple(j.life.pid for j in slow),
        master_pid=group.master_pid,
        of_workers=group.workers_at_once(),
        evidence=tuple(_say_step(step) for step in longest if step.seconds >= step.resolution_s),
    )


def _say_step(step: StartupStep) -> str:
    what = f"import of {step.name}" if step.kind == "import" and step.samples else step.name
    return (
        f"{seconds_in_words(step.seconds)} in {what}" if step.samples else f"{seconds_in_words(step.seconds)}: {what}"
    )
