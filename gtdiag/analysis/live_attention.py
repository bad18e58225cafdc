"""One worker of a report to how urgently it needs attention, and when gunicorn will kill it."""

from __future__ import annotations

from datetime import datetime, timedelta

from gtdiag.model.live_state import Attention
from gtdiag.model.report import GunicornFacts, Phase, Worker, WorkerEnd
from gtdiag.rules.thresholds import threshold


def judge_attention(worker: Worker, facts: GunicornFacts) -> Attention:
    """Why the worker needs attention, or that it needs none."""
    if worker.end is not WorkerEnd.RUNNING:
        return Attention.ENDED if worker.end is WorkerEnd.EXIT and not worker.end_code else Attention.DEAD
    held_s = (worker.blocked.seconds or 0.0) if worker.blocked is not None else None
    age_s, timeout_s = worker.heartbeat_age_s, facts.timeout_s
    if age_s is None:
        if held_s is not None and held_s >= threshold("live_held_s"):
            return Attention.STUCK
        return Attention.UNSEEN
    if not _needs_attention(worker, age_s, timeout_s, held_s):
        return Attention.STARTING if in_startup(worker) else Attention.HEALTHY
    return Attention.KILL if will_be_killed(worker, facts) else Attention.STUCK


def _needs_attention(worker: Worker, age_s: float, timeout_s: float | None, held_s: float | None) -> bool:
    if not timeout_s:
        return held_s is not None and held_s >= threshold("live_held_s")
    if worker.first_heartbeat_seen is False:
        slow = held_s is not None and age_s >= timeout_s * threshold("contention_share_of_timeout")
        return slow or age_s >= timeout_s
    return held_s is not None or age_s >= timeout_s * threshold("live_stale_share_of_timeout")


def in_startup(worker: Worker) -> bool:
    """Whether it runs and has not got ready, as far as can be seen."""
    return worker.phase is Phase.STARTUP or (worker.phase is None and worker.first_heartbeat_seen is False)


def will_be_killed(worker: Worker, facts: GunicornFacts) -> bool:
    """Whether gunicorn times this worker out; from 22 on never before its first heartbeat."""
    if not facts.timeout_s:
        return False
    if worker.first_heartbeat_seen:
        return True
    major = (facts.version or "").partition(".")[0]
    return major.isdecimal() and int(major) < threshold("silent_hang_since_major")


def kill_moment(last_beat_at: datetime | None, worker: Worker, facts: GunicornFacts) -> datetime | None:
    """When the time-out is over for the worker; None where gunicorn does not kill it, or that is not known."""
    if last_beat_at is None or not facts.timeout_s or not will_be_killed(worker, facts):
        return None
    return last_beat_at + timedelta(seconds=facts.timeout_s)
