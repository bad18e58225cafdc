"""What a watch shows of this very moment: the workers in the order they need attention, and the sentence that matters.

Computed by the analysis; the live view only lays it out.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from gtdiag.model.report import Gap, Health, Incident, Remedy, Worker


class Attention(enum.IntEnum):
    """Why a worker needs somebody's attention; the most urgent first, which is the order on the screen."""

    KILL = 0
    """It has stopped beating, and gunicorn will kill it."""
    STUCK = 1
    """It is held in one call, and nothing will end that."""
    DEAD = 2
    """It ended otherwise than by an orderly exit."""
    UNSEEN = 3
    """It runs, and its heartbeats cannot be read."""
    STARTING = 4
    HEALTHY = 5
    ENDED = 6
    """It left in good order."""


class Severity(enum.Enum):
    """How bad things are at this moment."""

    ALARM = "alarm"
    WARNING = "warning"
    FINE = "fine"


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """One life of a worker as it is now.

    `kill_in_s`: until gunicorn's time-out, negative once it is over; None where gunicorn will not kill it, or that is
    not known. `remedy`: what to do about what it is in.
    """

    worker: Worker
    attention: Attention
    kill_in_s: float | None = None
    remedy: Remedy | None = None

    @property
    def key(self) -> tuple[int, int]:
        """What tells this life from others, also when its pid comes back."""
        return (self.worker.pid, self.worker.ordinal)


@dataclass(frozen=True, slots=True)
class LiveLog:
    """The log that is followed. `lag_s`: how late the latest line arrived after its own stamp, None without one."""

    files: tuple[str, ...] = ()
    last_line_at: datetime | None = None
    lag_s: float | None = None


@dataclass(frozen=True, slots=True)
class LiveState:
    """One moment of a watch. `workers` are in the order of the screen; `earlier_ends`: lives that are only counted.

    `headline`: what matters now, in one sentence; `verdict`: what the whole watch has found, None where nothing.
    """

    at: datetime | None
    headline: str
    severity: Severity
    verdict: str | None
    workers: tuple[LiveWorker, ...]
    incidents: tuple[Incident, ...]
    gaps: tuple[Gap, ...] = ()
    master_pid: int | None = None
    version: str | None = None
    worker_class: str | None = None
    timeout_s: float | None = None
    ready: int = 0
    running: int = 0
    expected: int | None = None
    earlier_ends: int = 0
    log: LiveLog = LiveLog()
    health: Health | None = None
