"""What a watch knows of each process that it follows, from one sample to the next."""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

from gtdiag.collectors.looks import Look
from gtdiag.collectors.master import MasterFacts
from gtdiag.collectors.processes import WorkerProcess
from gtdiag.collectors.sampling import Thresholds, thresholds_for
from gtdiag.collectors.startup_glimpses import GlimpseSchedule
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
    ever: bool | None = None
    hang: Hang = field(default_factory=Hang)
    glimpses: GlimpseSchedule = field(default_factory=GlimpseSchedule)


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
