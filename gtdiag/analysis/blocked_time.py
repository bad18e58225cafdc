"""Successive reports of one watch to the seconds that workers were blocked, by category and application function."""

from __future__ import annotations

import math

from gtdiag.model.report import Report, Worker, WorkerEnd
from gtdiag.rules.thresholds import threshold

MAX_CALLS = 50
"""So many functions get a figure of their own: series must not become more and more over weeks."""

OTHER_CALLS = "(other)"
_LONGEST_NAME = 200
_CLOCKS_APART_S = 2.0  # a look and a heartbeat's sample are up to two intervals apart

Cause = tuple[str, str]
"""Category and function."""

_Life = tuple[int | None, int, int]


class BlockedTime:
    """Seconds only grow. It remembers the causes, and the workers that are alive."""

    def __init__(self) -> None:
        self.seconds: dict[Cause, float] = {}
        self._counted: dict[_Life, dict[Cause, float]] = {}
        """What was counted for each worker that is alive and was blocked."""

    def read(self, report: Report) -> None:
        """Count what has come to it since the report before."""
        counted: dict[_Life, dict[Cause, float]] = {}
        for worker in report.workers:
            life = (worker.master_pid, worker.pid, worker.ordinal)
            alive = worker.end is WorkerEnd.RUNNING
            if not alive and life not in self._counted:
                continue  # counted when it ended, or never seen to be blocked
            known, now = self._counted.get(life, {}), _blocked_of(worker)
            if now is None:
                if alive and known:
                    counted[life] = known
                continue
            cause, seconds = now
            earlier_s = known.get(cause, 0.0)
            if seconds < earlier_s / 2:
                earlier_s = 0.0  # it went on, and is in the same call again
            self._add(cause, max(0.0, seconds - earlier_s))
            if alive:
                latest = {**known, cause: max(seconds, earlier_s)}
                counted[life] = dict(list(latest.items())[-MAX_CALLS:])
        self._counted = counted

    def _add(self, cause: Cause, seconds: float) -> None:
        if cause not in self.seconds and len(self.seconds) >= MAX_CALLS:
            cause = (cause[0], OTHER_CALLS)
        self.seconds[cause] = self.seconds.get(cause, 0.0) + seconds


def is_blocked(worker: Worker) -> bool:
    """Whether a worker is blocked, and for long enough to speak of it; any worker is in some call at any moment.

    What a report says of a worker that went on after a long start-up is what held it then: it has beaten since.
    """
    if worker.blocked is None:
        return False
    seconds = worker.blocked.seconds or 0.0
    has_beaten = worker.first_heartbeat_seen and worker.heartbeat_age_s is not None
    silent_s = (worker.heartbeat_age_s or 0.0) + _CLOCKS_APART_S if has_beaten else math.inf
    return threshold("blocked_counts_after_s") <= seconds <= silent_s


def _blocked_of(worker: Worker) -> tuple[Cause, float] | None:
    if worker.blocked is None or not is_blocked(worker):
        return None
    call = worker.blocked.call or worker.blocked.library_call or ""
    return (worker.blocked.category.value, call[:_LONGEST_NAME]), worker.blocked.seconds or 0.0
