"""Two reports side by side: what each run showed, measure by measure, and whether the change between them worked.

Durations are seconds (`_s`), sizes bytes (`_bytes`). None: the run does not show it, which is never counted as good.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

COMPARE_SCHEMA = "gtdiag.compare/1"


class Outcome(str, enum.Enum):
    """Whether the change between two runs worked."""

    FIXED = "fixed"
    BETTER = "better"
    UNCHANGED = "unchanged"
    WORSE = "worse"
    CANNOT_TELL = "cannot_tell"


class Change(str, enum.Enum):
    """What became of one measure. GONE: it was there, and is not any more, over long enough to say so."""

    GONE = "gone"
    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    UNKNOWN = "unknown"


class StartupEnd(str, enum.Enum):
    """How a worker's start-up ended. LATE: it got ready, after the time-out. UNKNOWN: the log does not show it."""

    READY = "ready"
    LATE = "late"
    FAILED = "failed"
    UNFINISHED = "unfinished"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WorkerStartup:
    """The start-up of one worker: how it ended, how long it took, and the call that held it where that is known."""

    pid: int
    ordinal: int
    end: StartupEnd
    seconds: float | None
    call: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What one log or recording shows of a server's life.

    `startups_known` start-ups ended, well or badly, in sight; `startups_failed` of them were timed out, hung past the
    time-out or failed to boot; of `startups_unknown` the log does not show the end. `hangs_could_be_unseen`: a worker
    that never started would have left no line here (gunicorn 22 and later), so silence proves nothing.
    `timeouts_serving` are those after (or not known to be in) the start-up, `deaths` the workers that crashed, were
    killed from outside or by the kernel, or exited by themselves. `ready`: the most workers that were ready at once.
    """

    kind: str
    files: tuple[str, ...]
    version: str | None
    worker_class: str | None
    timeout_s: float | None
    period_s: float | None
    boots: int
    timeouts: int
    timeouts_serving: int
    timeouts_per_hour: float | None
    restart_loop_cycles: int
    silent_startup_hangs: int
    boot_failures: int
    deaths: int
    startups_known: int
    startups_failed: int
    startups_unknown: int
    hangs_could_be_unseen: bool
    startup_slowest_s: float | None
    startup_median_s: float | None
    startup_resolution_s: float
    ready: int | None
    expected: int | None
    peak_rss_bytes: int | None
    workers: tuple[WorkerStartup, ...] = ()
    calls: tuple[str, ...] = ()
    """The calls that workers were blocked in when they timed out or hung, the most frequent first."""
    health_probes: int | None = None
    """How often `gtdiag watch --health URL` asked; None: nobody asked, and the three below are not known either."""
    health_answered: int | None = None
    health_median_s: float | None = None
    """Of the answers' latencies, as is `health_worst_s`."""
    health_worst_s: float | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing compared. `decides`: it has a say in the outcome. `why`: what the comparison of the two rests on."""

    name: str
    change: Change
    before: str
    after: str
    decides: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs, what became of each measure, and the answer in one sentence."""

    gtdiag_version: str
    outcome: Outcome
    summary: str
    before: Run
    after: Run
    measures: tuple[Measure, ...]
    schema: str = COMPARE_SCHEMA
