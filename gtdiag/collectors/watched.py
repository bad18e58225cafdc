"""What a watch knows of each process that it follows, from one sample to the next."""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

from gtdiag.collectors.looks import Look
from gtdiag.collectors.master import MasterFacts
from gtdiag.collectors.processes import WorkerProcess
from gtdiag.collectors.sampling import CALM_AGAIN_AFTER_S, Thresholds, safe_for_s, thresholds_for
from gtdiag.collectors.startup_glimpses import GlimpseSchedule
from gtdiag.gunicorn.heartbeat import Heartbeat
from gtdiag.model.events import MasterSettings
from gtdiag.model.identity import WorkerId


@dataclass
class Hang:
    """What the deep looks at one process have shown so far."""

    looked_at_s: float | None = None
    unchanged: int = 0
    picture: Hashable = None
    futures: list[Future[Look]] = field(default_factory=list)
    cost_s: float = 0.0
    seen: list[Hashable] = field(default_factory=list)


@dataclass
class WatchedWorker:
    """A worker that lives, and what was last seen of its heartbeat."""

    process: WorkerProcess
    watched_from_start: bool
    ready_said: bool = False
    heartbeat_age_s: float | None = None
    heartbeat_at_s: float = 0.0
    safe_until_s: float = float("-inf")
    """Before that no look can be due, whether it beats again or not."""
    calm: bool = False
    """Whether it is sampled more rarely than others."""
    number: int = 0
    """So that not all of them are sampled at the same interval."""
    ever: bool | None = None
    hang: Hang = field(default_factory=Hang)
    glimpses: GlimpseSchedule = field(default_factory=GlimpseSchedule)

    def take_heartbeat(self, heartbeat: Heartbeat, now_s: float, thresholds: Thresholds) -> None:
        """Remember how old the heartbeat is now."""
        self.heartbeat_age_s, self.heartbeat_at_s = heartbeat.age_s, now_s
        self.safe_until_s = now_s + safe_for_s(heartbeat.age_s, heartbeat.ever, thresholds)

    def is_suspicious(self, now_s: float) -> bool:
        """Whether it was worth a look, lately or until now."""
        looked_at_s = self.hang.looked_at_s
        if looked_at_s is None or self.ever is None:
            return False
        return self.safe_until_s <= now_s or now_s - looked_at_s < CALM_AGAIN_AFTER_S


@dataclass
class WatchedMaster:
    """A master that lives, its settings and its workers."""

    pid: int
    started_at_s: float
    started_at: datetime | None = None
    facts: MasterFacts | None = None
    settings: MasterSettings | None = None
    settings_read_at_s: float = float("-inf")
    settings_stale: bool = True
    thresholds: Thresholds = field(default_factory=lambda: thresholds_for(None, None))
    version_major: int | None = None
    workers: dict[WorkerId, WatchedWorker] = field(default_factory=dict)
    without_workers_since_s: float | None = None
    hang: Hang = field(default_factory=Hang)
    oom_kill: int | None = None
    cgroup_at_s: float = float("-inf")
    first_seen: bool = True
