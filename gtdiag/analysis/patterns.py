"""What several workers' fates show together: restart loops, contention, silent hangs, misleading messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median

from gtdiag.analysis.judging import Judge, Judgement
from gtdiag.analysis.lives import MasterLife, WorkerLife
from gtdiag.analysis.wording import count_of, describe_blocked, name_call, pids_in_words, seconds_in_words
from gtdiag.model.report import Blocked, Category, Confidence, IncidentKind, Pattern, PatternKind, Phase
from gtdiag.rules.categories import WAITING_CATEGORIES
from gtdiag.rules.thresholds import threshold

_UNTIMED = float("-inf")


def find_patterns(judgements: Sequence[Judgement], judge: Judge) -> tuple[Pattern, ...]:
    """All patterns of an observation, the ones that say most first."""
    by_master: dict[int, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_master[id(judgement.life.master)].append(judgement)
    found: list[Pattern] = []
    for group in by_master.values():
        master = group[0].life.master
        found += _match_startup_contention(group, master, judge)
        found += _match_silent_startup_hang(group, master)
        found += _match_restart_loop(group, master, judge)
        found += _match_boot_loop(group, master)
        found += _match_blocking_call_in_event_loop(group, master)
        found += _match_misleading_oom_message(group, master)
        found += _match_memory_growth(group, master)
    order = list(PatternKind)
    return tuple(sorted(found, key=lambda pattern: (order.index(pattern.kind), pattern.master_pid or 0)))


def _match_restart_loop(group: list[Judgement], master: MasterLife | None, judge: Judge) -> list[Pattern]:
    """Workers that time out in start-up, and whose replacements end the same way."""
    timed_out = [j for j in group if j.kind is IncidentKind.WORKER_TIMEOUT]
    looping = [j for j in timed_out if _ended_in_first_timeout(j, judge)] or _even_lives(timed_out, judge)
    if len(looping) < 2:
        return []
    at_once = _workers_at_once(group, master)
    lived_s = [seconds for j in looping if (seconds := _lived_s(j)) is not None]
    waves = _waves([j.at for j in looping], median(lived_s) if lived_s else judge.effective_timeout_s(master))
    cycles = len(waves) if waves else -(-len(looping) // at_once)
    # As many time-outs as there are workers are one cycle, however they are spread in time.
    cycles = min(cycles, -(-len(looping) // at_once) if at_once > 1 else len(looping)) or 1
    if cycles < threshold("restart_loop_cycles"):
        return []
    period_s = round(median(b - a for a, b in pairwise(waves)), 1) if len(waves) > 1 else None
    pids = tuple(j.life.pid for j in looping)
    causes = {name_call(j.blocked) for j in looping if j.blocked}
    same = f", each time in {causes.pop()}" if len(causes) == 1 else ""
    every = f", one every {seconds_in_words(period_s)}" if period_s else ""
    return [
        Pattern(
            kind=PatternKind.RESTART_LOOP,
            summary=f"{cycles} cycles of time-out, kill and replacement before the start-up was over{every}{same}",
            confidence=Confidence.HIGH if all(j.phase is Phase.STARTUP for j in looping) else Confidence.MEDIUM,
            pids=pids,
            master_pid=_pid_of(master),
            cycles=cycles,
            period_s=period_s,
        )
    ]


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


def _workers_at_once(group: Iterable[Judgement], master: MasterLife | None) -> int:
    if master is not None and master.workers:
        return master.workers
    edges: list[tuple[datetime, int]] = []
    for judgement in group:
        life = judgement.life
        begin, end = life.booted_at or life.first_seen_at, life.ended_at
        if begin is not None:
            edges.append((begin, 1))
            if end is not None and end >= begin:
                edges.append((end, -1))
    most = current = 0
    for _, step in sorted(edges):
        current += step
        most = max(most, current)
    return max(1, most)


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


def _match_boot_loop(group: list[Judgement], master: MasterLife | None) -> list[Pattern]:
    """Boots in a row, none of which got ready, with nothing logged of the ends: gunicorn up to 20.0.4 says no more."""
    lives = [j.life for j in group if j.kind is None and j.life.booted_at is not None and not j.life.seen_live]
    lives.sort(key=lambda life: life.booted_at.timestamp() if life.booted_at else 0.0)
    run: list[WorkerLife] = []
    best: list[WorkerLife] = []
    for life in lives:
        previous = run[-1].booted_at if run else None
        if previous is not None and life.booted_at is not None:
            gap_s = (life.booted_at - previous).total_seconds()
            # Boots within one second are one generation, whether or not a carrier's stamps tell them apart.
            if not 1 <= gap_s <= threshold("boot_loop_gap_s"):
                run = []
        if life.ready_at is None and not life.exiting and life.death is None:
            run.append(life)
        else:
            run = []
        best = max(best, run, key=len).copy()
    if len(best) < threshold("boot_loop_boots") or _was_told_to_add_workers(master):
        return []
    first, last = best[0].booted_at, best[-1].booted_at
    period_s = round((last - first).total_seconds() / (len(best) - 1), 1) if first and last else None
    return [
        Pattern(
            kind=PatternKind.RESTART_LOOP,
            summary=f"{len(best)} workers booted in a row and none got ready; nothing is logged of their ends",
            confidence=Confidence.MEDIUM,
            pids=tuple(life.pid for life in best),
            master_pid=_pid_of(master),
            cycles=len(best) - 1,
            period_s=period_s,
        )
    ]


def _was_told_to_add_workers(master: MasterLife | None) -> bool:
    return master is not None and any(name in ("ttin", "hup") for _, name in master.signals)


def _match_startup_contention(group: list[Judgement], master: MasterLife | None, judge: Judge) -> list[Pattern]:
    """Several workers in start-up at once, all blocked in the same call."""
    timeout_s = judge.effective_timeout_s(master)
    long_enough_s = min(threshold("contention_seconds"), threshold("contention_share_of_timeout") * (timeout_s or 1e9))
    by_call: dict[tuple[Category, str], list[Judgement]] = defaultdict(list)
    for judgement in group:
        blocked = judgement.blocked
        if blocked is None or judgement.phase is not Phase.STARTUP or judgement.resolved_at is not None:
            continue
        if judgement.kind in (IncidentKind.WORKER_TIMEOUT, IncidentKind.STARTUP_HANG) or (
            judgement.kind is None and not judgement.life.ended and (blocked.seconds or 0.0) >= long_enough_s
        ):
            by_call[(blocked.category, name_call(blocked))].append(judgement)
    found = []
    for (category, call), members in by_call.items():
        together = _largest_generation(members)
        if len(together) < threshold("contention_workers"):
            continue
        blocked = _best_blame(together)
        of_workers = max(_workers_at_once(group, master), len(together))
        found.append(
            Pattern(
                kind=PatternKind.STARTUP_CONTENTION,
                summary=f"{len(together)} of {of_workers} workers were in {describe_blocked(blocked)} at the same time "
                "in their start-up",
                confidence=blocked.confidence,
                pids=tuple(j.life.pid for j in together),
                master_pid=_pid_of(master),
                category=category,
                call=blocked.call or call,
                of_workers=of_workers,
            )
        )
    return found


def _largest_generation(members: list[Judgement]) -> list[Judgement]:
    """The most workers whose start-ups ran at the same moment; of several such generations, the one seen longest."""
    generations = [[j for j in members if _overlap_at(j, judgement.life.booted_at)] for judgement in members]
    return max(generations, key=lambda together: (len(together), _seen_s(together)), default=[])


def _seen_s(judgements: list[Judgement]) -> float:
    return sum((j.blocked.seconds or 0.0) if j.blocked else 0.0 for j in judgements)


def _overlap_at(judgement: Judgement, moment: datetime | None) -> bool:
    """Whether the worker was there at that moment and for a while after it.

    A replacement boots the moment its predecessor is gone, but the end is seen up to a second late.
    """
    life = judgement.life
    if moment is None or life.booted_at is None:
        return life.booted_at is None and moment is None
    until = life.ended_at or life.last_seen_at
    stayed_s = (until - moment).total_seconds() if until is not None else None
    return life.booted_at <= moment and (stayed_s is None or stayed_s >= threshold("abort_grace_s"))


def _best_blame(judgements: Iterable[Judgement]) -> Blocked:
    blames = [j.blocked for j in judgements if j.blocked is not None]
    order = list(Confidence)
    return min(blames, key=lambda b: (order.index(b.confidence), -(b.seconds or 0.0)))


def _match_silent_startup_hang(group: list[Judgement], master: MasterLife | None) -> list[Pattern]:
    """Workers over the time-out without a first heartbeat, and gunicorn says nothing."""
    hanging = [j for j in group if j.kind is IncidentKind.STARTUP_HANG and j.resolved_at is None]
    if not hanging:
        return []
    version = master.version if master and master.version else "22 and later"
    pids = tuple(j.life.pid for j in hanging)
    return [
        Pattern(
            kind=PatternKind.SILENT_STARTUP_HANG,
            summary=f"{count_of(len(hanging), 'worker')} ({pids_in_words(pids)}) past the time-out without a first "
            f"heartbeat; gunicorn {version} neither kills such a worker nor logs anything",
            confidence=Confidence.HIGH if all(j.life.overdue_at for j in hanging) else Confidence.MEDIUM,
            pids=pids,
            master_pid=_pid_of(master),
            of_workers=_workers_at_once(group, master),
        )
    ]


def _match_blocking_call_in_event_loop(group: list[Judgement], master: MasterLife | None) -> list[Pattern]:
    """A synchronous call made inside `async def`: the whole event loop of the worker stands still with it."""
    standing = [
        j
        for j in group
        if j.kind in (IncidentKind.WORKER_TIMEOUT, IncidentKind.STARTUP_HANG)
        and j.blocked is not None
        and j.blocked.category in WAITING_CATEGORIES
        and j.life.tally.in_event_loop()
    ]
    by_call: dict[tuple[str, str | None], list[Judgement]] = defaultdict(list)
    for judgement in standing:
        assert judgement.blocked is not None
        by_call[name_call(judgement.blocked), judgement.life.tally.blocking_coroutine()].append(judgement)
    return [
        Pattern(
            kind=PatternKind.BLOCKING_CALL_IN_EVENT_LOOP,
            summary=f"{_who_blocks(call, coroutine)} inside the event loop: nothing else in the worker runs meanwhile",
            confidence=_best_blame(members).confidence,
            pids=tuple(j.life.pid for j in members),
            master_pid=_pid_of(master),
            category=_best_blame(members).category,
            call=call,
            coroutine=coroutine,
        )
        for (call, coroutine), members in by_call.items()
    ]


def _who_blocks(call: str, coroutine: str | None) -> str:
    if coroutine is None or coroutine == call:
        return f"{call} makes a blocking call"
    return f"the coroutine {coroutine} calls {call}, which blocks,"


def _match_misleading_oom_message(group: list[Judgement], master: MasterLife | None) -> list[Pattern]:
    """ "Perhaps out of memory?" in the log, and the evidence says who really sent the signal."""
    misled = [j for j in group if j.misleading_oom]
    if not misled:
        return []
    pids = tuple(j.life.pid for j in misled)
    by_gunicorn = sum(1 for j in misled if j.killed_by.value == "gunicorn")
    who = "gunicorn itself" if by_gunicorn == len(misled) else "somebody else than the kernel's OOM killer"
    return [
        Pattern(
            kind=PatternKind.MISLEADING_OOM_MESSAGE,
            summary=f'the log says "Perhaps out of memory?" of {count_of(len(misled), "worker")}; it was not: {who} '
            "sent the SIGKILL",
            confidence=Confidence.HIGH,
            pids=pids,
            master_pid=_pid_of(master),
        )
    ]


def _match_memory_growth(group: list[Judgement], master: MasterLife | None) -> list[Pattern]:
    """Workers that are serving and whose resident memory grows all the time."""
    growing = [
        j
        for j in group
        if j.phase is Phase.SERVING
        and not j.life.ended
        and (j.life.growth_bytes_per_s() or 0.0) >= threshold("memory_growth_bytes_per_s")
        and j.life.memory_sampled_s() >= threshold("memory_growth_min_s")
    ]
    if not growing:
        return []
    fastest = max(j.life.growth_bytes_per_s() or 0.0 for j in growing)
    return [
        Pattern(
            kind=PatternKind.MEMORY_GROWTH,
            summary=f"the memory of {count_of(len(growing), 'worker')} grows by {fastest / 1048576:.1f} MiB a second",
            confidence=Confidence.MEDIUM,
            pids=tuple(j.life.pid for j in growing),
            master_pid=_pid_of(master),
        )
    ]


def _pid_of(master: MasterLife | None) -> int | None:
    return master.pid if master is not None else None
