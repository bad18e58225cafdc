"""Time-outs in start-up, replacement after replacement, to the restart loop they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median

from gtdiag.analysis.judging import Judge, Judgement
from gtdiag.analysis.patterns.group import MasterGroup
from gtdiag.analysis.wording import name_call, seconds_in_words
from gtdiag.model.report import Confidence, IncidentKind, Pattern, PatternKind, Phase
from gtdiag.rules.thresholds import threshold

_UNTIMED = float("-inf")


def match_restart_loop(group: MasterGroup) -> list[Pattern]:
    """Workers that time out in start-up, and whose replacements end the same way."""
    timed_out = [j for j in group.judgements if j.kind is IncidentKind.WORKER_TIMEOUT]
    looping = [j for j in timed_out if _ended_in_first_timeout(j, group.judge)] or _even_lives(timed_out, group.judge)
    if len(looping) < 2:
        return []
    at_once = group.workers_at_once()
    lived_s = [seconds for j in looping if (seconds := _lived_s(j)) is not None]
    waves = _waves(
        [j.at for j in looping], median(lived_s) if lived_s else group.judge.effective_timeout_s(group.master)
    )
    cycles = len(waves) if waves else -(-len(looping) // at_once)
    # As many time-outs as there are workers are one cycle, however they are spread in time.
    cycles = min(cycles, -(-len(looping) // at_once) if at_once > 1 else len(looping)) or 1
    if cycles < threshold("restart_loop_cycles"):
        return []
    period_s = round(median(b - a for a, b in pairwise(waves)), 1) if len(waves) > 1 else None
    pids = tuple(j.life.pid for j in looping)
    causes = Counter(name_call(j.blocked) for j in looping if j.blocked)
    same = _causes_in_words(causes)
    every = f", one every {seconds_in_words(period_s)}" if period_s else ""
    return [
        Pattern(
            kind=PatternKind.RESTART_LOOP,
            summary=f"{cycles} cycles of time-out, kill and replacement before the start-up was over{every}{same}",
            confidence=Confidence.HIGH if all(j.phase is Phase.STARTUP for j in looping) else Confidence.MEDIUM,
            pids=pids,
            master_pid=group.master_pid,
            cycles=cycles,
            period_s=period_s,
        )
    ]


def _causes_in_words(causes: Counter[str]) -> str:
    """Whether it was the same call each time: a loop with changing causes is not mended by mending one of them."""
    if not causes:
        return ""
    if len(causes) == 1:
        return f", each time in {next(iter(causes))}"
    named = ", ".join(f"{call} ({number} times)" if number > 1 else call for call, number in causes.most_common(3))
    more = ", and others" if len(causes) > 3 else ""
    return f", not for the same cause each time: {named}{more}"


def _ended_in_first_timeout(judgement: Judgement, judge: Judge) -> bool:
    """Whether a worker was timed out without ever having got ready."""
    if judgement.phase is Phase.STARTUP:
        return True
    life = judgement.life
    if judgement.phase is Phase.SERVING or life.booted_at is None or judgement.at is None:
        return False
    # Sync workers log nothing when they are ready: a life as long as the time-out had no heartbeat after its boot.
    timeout_s = judge.known_timeout_s(life.master)
    lived_s = _lived_s(judgement)
    if timeout_s is None or lived_s is None:
        return False
    return timeout_s - 1.0 <= lived_s <= timeout_s + threshold("log_join_s")


def _lived_s(judgement: Judgement) -> float | None:
    """From boot to time-out, in seconds."""
    booted_at = judgement.life.booted_at
    return None if booted_at is None or judgement.at is None else (judgement.at - booted_at).total_seconds()


def _even_lives(timed_out: list[Judgement], judge: Judge) -> list[Judgement]:
    """Where the time-out is not known: time-outs that all came equally long after the boot, over generations."""
    lives = [(seconds, j) for j in timed_out if (seconds := _lived_s(j)) is not None]
    if len(lives) < 3 or len(lives) < len(timed_out) or any(j.phase is Phase.SERVING for j in timed_out):
        return []
    if judge.known_timeout_s(timed_out[0].life.master) is not None:
        return []
    middle_s = median(seconds for seconds, _ in lives)
    even = all(abs(seconds - middle_s) <= threshold("even_lives_s") for seconds, _ in lives)
    return timed_out if even else []


def _waves(moments: Sequence[datetime | None], lived_s: float) -> list[float]:
    """The starts of the groups of time-outs that belong to one generation of workers, which lived this long."""
    known = sorted(moment.timestamp() for moment in moments if moment is not None)
    gap_s = min(threshold("same_wave_s"), lived_s / 2) if lived_s else threshold("same_wave_s")
    starts: list[float] = []
    last = _UNTIMED
    for moment in known:
        if moment - last > gap_s:
            starts.append(moment)
        last = moment
    return starts
