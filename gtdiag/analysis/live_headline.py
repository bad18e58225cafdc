"""The workers as they are now to the one sentence that matters, and how bad it is."""

from __future__ import annotations

from collections.abc import Sequence

from gtdiag.analysis.wording import count_of, name_call, seconds_in_words
from gtdiag.model.live_state import Attention, LiveWorker, Severity
from gtdiag.model.report import Confidence, Report, Worker, WorkerEnd


def draw_headline(workers: Sequence[LiveWorker], report: Report, *, settled: bool) -> tuple[str, Severity]:
    """The sentence for the top of the screen.

    `workers`: in the order of attention; `settled`: the watch has lasted long enough to have looked at each of them.
    """
    facts = report.gunicorn
    running = [one for one in workers if one.worker.end is WorkerEnd.RUNNING]
    if facts.ended_at is not None and not running:
        return _with_pid("The master is gone", facts.master_pid) + ".", Severity.ALARM
    dying = [one for one in running if one.attention is Attention.KILL]
    stuck = [one for one in running if one.attention is Attention.STUCK]
    if dying or stuck:
        sentences = [_say_dying(dying, len(running))] if dying else []
        sentences += [_say_stuck(stuck, len(running), report)] if stuck else []
        return " ".join(sentences), Severity.ALARM
    if not settled and any(one.attention is Attention.UNSEEN for one in running):
        return f"Taking a first look at {count_of(len(running), 'worker')} ...", Severity.FINE
    if not running and not settled:
        return "Taking a first look ...", Severity.FINE
    if not running:
        return _say_nobody(report), Severity.ALARM
    unseen = [one for one in running if one.attention is Attention.UNSEEN]
    if unseen:
        words = f"{len(unseen)} of {count_of(len(running), 'worker')} {_are(len(unseen))} running, heartbeats not seen"
        return f"{words}: a hang may not show (u: why).", Severity.WARNING
    return _say_course(running, workers, report)


def _say_dying(dying: Sequence[LiveWorker], running: int) -> str:
    first = dying[0]
    left_s = first.kill_in_s
    if left_s is None:
        when = "will be killed"
    else:
        when = f"is killed in {seconds_in_words(round(left_s))}" if left_s >= 1 else "is being killed now"
    if len(dying) == 1:
        return f"Worker {first.worker.pid} {when} unless it beats: {_say_call(first.worker)}."
    call = _common_call(dying)
    if call:
        return f"{len(dying)} of {running} workers are blocked in {call}; the first, {first.worker.pid}, {when}."
    words = f"{len(dying)} of {running} workers have stopped beating"
    return f"{words}; the first, {first.worker.pid}, {when}: {_say_call(first.worker)}."


def _say_stuck(stuck: Sequence[LiveWorker], running: int, report: Report) -> str:
    first = stuck[0].worker
    many = len(stuck) > 1
    who = f"{len(stuck)} of {running} workers are stuck" if many else f"Worker {first.pid} is stuck"
    call = _common_call(stuck)
    if call:
        held_s = max((one.worker.blocked.seconds or 0.0 for one in stuck if one.worker.blocked), default=0.0)
        where = f" in {call}" + (f" for {seconds_in_words(round(held_s))}" if held_s >= 1 else "")
    elif all(one.worker.blocked is None for one in stuck):
        where = "; what in is not known yet"
    else:
        where = f", the first ({_say_call(first)})"
    sure = all(one.worker.first_heartbeat_seen is False for one in stuck) and report.gunicorn.version is not None
    if report.gunicorn.timeout_s == 0:
        return f"{who}{where}; the time-out is 0, so nothing will kill {'them' if many else 'it'}."
    if not sure:
        return f"{who}{where}."
    return f"{who}{where}; gunicorn will not kill {'them' if many else 'it'}."


def _say_nobody(report: Report) -> str:
    expected = report.gunicorn.workers
    wanted = f" (expected: {expected})" if expected else ""
    return f"No worker is running{wanted}."


def _say_course(running: Sequence[LiveWorker], workers: Sequence[LiveWorker], report: Report) -> tuple[str, Severity]:
    starting = [one for one in running if one.attention is Attention.STARTING]
    expected = report.gunicorn.workers
    dead = any(one.attention is Attention.DEAD for one in workers)
    if starting:
        oldest_s = max((one.worker.heartbeat_age_s or 0.0 for one in starting), default=0.0)
        words = f"{len(running) - len(starting)} of {count_of(expected or len(running), 'worker')} ready"
        words += f"; {len(starting)} starting up, the longest for {seconds_in_words(round(oldest_s))}."
        return words, Severity.WARNING if dead or report.incidents else Severity.FINE
    if expected is not None and len(running) < expected:
        return f"Only {len(running)} of {expected} workers are running; those are healthy.", Severity.WARNING
    words = "The worker is healthy" if len(running) == 1 else f"All {len(running)} workers are healthy"
    last = max((incident.at for incident in report.incidents if incident.at is not None), default=None)
    if last is None:
        return f"{words}.", Severity.FINE
    return f"{words} now; the last incident was at {last:%H:%M:%S}.", Severity.WARNING if dead else Severity.FINE


def _common_call(workers: Sequence[LiveWorker]) -> str | None:
    """The call that all of them are in, where it is the same and known."""
    calls = {name_call(one.worker.blocked) if one.worker.blocked is not None else None for one in workers}
    return next(iter(calls)) if len(calls) == 1 else None


def _say_call(worker: Worker) -> str:
    blocked = worker.blocked
    if blocked is None:
        return "what it is in is not known yet"
    unsure = " (not sure)" if blocked.confidence is Confidence.LOW else ""
    held = f" for {seconds_in_words(round(blocked.seconds))}" if blocked.seconds and blocked.seconds >= 1 else ""
    return f"in {name_call(blocked)}{held}{unsure}"


def _with_pid(words: str, pid: int | None) -> str:
    return words if pid is None else f"{words} (pid {pid})"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
