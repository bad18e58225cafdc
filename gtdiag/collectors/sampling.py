"""What is known of each worker to the workers that deserve a deep look now (stacks, suspended code, sockets). Pure.

Heartbeat and memory are read from every worker at each interval; the expensive look only where something may be wrong,
and always before gunicorn destroys the evidence.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_TIMEOUT_S = 30.0
"""gunicorn's own default, used where the setting could not be read."""

STARTUP_LOOK_AFTER_S = 1.0
"""Start-ups that take less are normal and would cost a look each."""

STALE_AFTER_S = 2.5
"""Two and a half beats of the worker classes that beat each second (gthread, gevent, eventlet, tornado, asgi)."""

HALF_TIMEOUT_BEAT_CLASSES = ("sync", "uvicorn")
"""Idle sync and uvicorn workers beat only each `timeout / 2` seconds (`Worker.timeout`, base.py of 20.1 to 27.0)."""

BEAT_SLACK = 1.1
BEAT_SLACK_S = 0.5
"""A beat comes late by a scheduling delay or a short request: stale is past 110 % of its period and half a second."""

STALE_SHARE_OF_TIMEOUT = 0.75
"""However slow the beat: a quarter of the time-out must be left for looks."""

LAST_CHANCE_SHARE = 0.9
LAST_CHANCE_BEFORE_S = 1.0
"""One look at 90 % of the time-out and one a second before it: gunicorn checks each second, and a look takes
some 20 ms, or a few hundred in the queue behind 31 others."""

CALM_SHARE_OF_TIMEOUT = 0.25
LONGEST_CALM_PAUSE_S = 10.0
"""A worker that nobody worries about is sampled so rarely: when its heartbeat can first be stale is known without, and
its memory is looked over at each interval. Should it time out for want of CPU, samples cover three quarters of that."""

CALM_AGAIN_AFTER_S = 30.0
"""A worker that was looked at is sampled in full until it has been beating for so long."""

FIRST_PAUSE_S = 1.0
PAUSE_GROWTH = 1.5
LONGEST_PAUSE_S = 5.0
"""While every look shows the same, the next one may wait longer; 5 s still shows a hang of 30 s ten times."""

FIRST_PAUSE_SHARE = 0.1
LONGEST_PAUSE_SHARE = 1 / 6
SHORTEST_PAUSE_S = 0.3
"""A short time-out leaves little time: pauses are at most these shares of it, so that it too gets some eight looks."""

STARTUP_SHARE_OF_TIMEOUT = 0.2
"""The first look at a start-up comes no later than at this share of the time-out."""

BUDGET_SHARE = 0.18
"""Share of one core for looks, by their duration (on a loaded machine less of it is CPU time): 32 stuck workers at
20 ms each are looked at about every 3 s."""

BURST_LOOKS = 8.0
"""Looks that may be made at once after a quiet time."""

GUESSED_LOOK_S = 0.03
COST_MEMORY = 0.8
"""Weight of the past in the running mean of what a look costs."""


class LookReason(enum.IntEnum):
    """Why a worker is looked at; the most urgent first."""

    LAST_CHANCE = 0
    STALE = 1
    STARTUP = 2
    BLIND = 3


@dataclass(frozen=True, slots=True)
class WorkerView:
    """What the policy knows of a worker.

    `age_s`: heartbeat age now (see HeartbeatSample), None where heartbeats cannot be read; `ever`: has it ever beaten.
    `since_look_s`: seconds since the last look, None when there was none; `unchanged`: how many looks in a row have
    shown the same as the one before; `looking`: a look is under way.
    """

    age_s: float | None
    ever: bool | None
    since_look_s: float | None = None
    unchanged: int = 0
    looking: bool = False


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The ages at which a worker of one master is worth looking at. `last_chances_s` is empty without a time-out."""

    stale_after_s: float
    last_chances_s: tuple[float, ...]
    startup_after_s: float = STARTUP_LOOK_AFTER_S
    first_pause_s: float = FIRST_PAUSE_S
    longest_pause_s: float = LONGEST_PAUSE_S
    calm_pause_s: float = LONGEST_CALM_PAUSE_S


def thresholds_for(timeout_s: float | None, worker_class: str | None) -> Thresholds:
    """Work the ages out of the settings; a `timeout` of 0 means that gunicorn never kills (its documentation)."""
    limit_s = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
    if limit_s <= 0:
        return Thresholds(stale_after_s=STALE_AFTER_S, last_chances_s=())
    beat_s = limit_s / 2 if _beats_by_half_timeout(worker_class) else 1.0
    stale_s = max(STALE_AFTER_S, beat_s * BEAT_SLACK + BEAT_SLACK_S)
    chances = {limit_s * LAST_CHANCE_SHARE, limit_s - LAST_CHANCE_BEFORE_S}
    return Thresholds(
        stale_after_s=min(stale_s, limit_s * STALE_SHARE_OF_TIMEOUT),
        last_chances_s=tuple(sorted(chance for chance in chances if chance > limit_s / 3)),
        startup_after_s=min(STARTUP_LOOK_AFTER_S, limit_s * STARTUP_SHARE_OF_TIMEOUT),
        first_pause_s=max(SHORTEST_PAUSE_S, min(FIRST_PAUSE_S, limit_s * FIRST_PAUSE_SHARE)),
        longest_pause_s=max(SHORTEST_PAUSE_S, min(LONGEST_PAUSE_S, limit_s * LONGEST_PAUSE_SHARE)),
        calm_pause_s=min(LONGEST_CALM_PAUSE_S, limit_s * CALM_SHARE_OF_TIMEOUT),
    )


def safe_for_s(age_s: float | None, ever: bool | None, thresholds: Thresholds) -> float:
    """For how long nobody has to worry about a worker, even if it never beats again: until then no look is due.

    0 for one that has not beaten yet, and with a time-out so short that every second counts.
    """
    if not ever or age_s is None or thresholds.stale_after_s < STALE_AFTER_S:
        return 0.0
    return max(0.0, min((thresholds.stale_after_s, *thresholds.last_chances_s)) - age_s)


def is_beating(age_s: float | None, ever: bool | None, thresholds: Thresholds) -> bool:
    """Whether a worker is one that nobody worries about."""
    return safe_for_s(age_s, ever, thresholds) > 0


def reason_to_look(view: WorkerView, thresholds: Thresholds) -> LookReason | None:
    """Say why this worker should be looked at now, None where it should not."""
    if view.looking:
        return None
    if view.age_s is None:
        # Nothing tells when it matters. One look yields the reason why, and the pause keeps the rest cheap.
        return LookReason.BLIND if view.since_look_s is None or view.since_look_s >= LONGEST_PAUSE_S else None
    age_at_look_s = None if view.since_look_s is None else view.age_s - view.since_look_s
    for chance_s in thresholds.last_chances_s:
        if view.age_s >= chance_s and (age_at_look_s is None or age_at_look_s < chance_s):
            return LookReason.LAST_CHANCE
    if view.ever is False:
        reason = LookReason.STARTUP if view.age_s >= thresholds.startup_after_s else None
    else:
        reason = LookReason.STALE if view.age_s >= thresholds.stale_after_s else None
    if reason is not None and view.since_look_s is not None and view.since_look_s < pause_s(view.unchanged, thresholds):
        return None
    return reason


def pause_s(unchanged: int, thresholds: Thresholds) -> float:
    """Seconds between two looks after so many looks in a row that showed nothing new."""
    return float(min(thresholds.longest_pause_s, thresholds.first_pause_s * PAUSE_GROWTH ** min(unchanged, 10)))


class LookBudget:
    """Hands out looks so that they cost no more than BUDGET_SHARE of a core; the last chances are always granted."""

    def __init__(self, now_s: float) -> None:
        self._credit_s = BURST_LOOKS * GUESSED_LOOK_S
        self._refilled_at_s = now_s
        self._cost_s = GUESSED_LOOK_S

    def grant(self, wanted: Sequence[tuple[LookReason, float]], now_s: float) -> list[int]:
        """Choose among wanted looks, each a reason and the seconds since the last look; return their positions."""
        earned_s = max(0.0, now_s - self._refilled_at_s) * BUDGET_SHARE
        self._credit_s = min(BURST_LOOKS * max(self._cost_s, GUESSED_LOOK_S), self._credit_s + earned_s)
        self._refilled_at_s = now_s
        granted = []
        for position in sorted(range(len(wanted)), key=lambda i: (wanted[i][0], -wanted[i][1])):
            if wanted[position][0] is LookReason.LAST_CHANCE or self._credit_s >= self._cost_s:
                self._credit_s -= self._cost_s
                granted.append(position)
        return granted

    def spent(self, cost_s: float) -> None:
        """Learn what a look cost."""
        self._cost_s = COST_MEMORY * self._cost_s + (1 - COST_MEMORY) * cost_s


def _beats_by_half_timeout(worker_class: str | None) -> bool:
    if worker_class is None:
        return True
    # "uvicorn.workers.UvicornWorker", "uvicorn_worker.UvicornWorker"; an unknown class may beat as slowly.
    known_fast = ("gthread", "gevent", "eventlet", "tornado", "asgi", "threads")
    lowered = worker_class.lower()
    return any(name in lowered for name in HALF_TIMEOUT_BEAT_CLASSES) or not any(name in lowered for name in known_fast)
