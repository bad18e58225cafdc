"""What some of many sources show: a small value that merges with those of the others, and is written to JSON.

A source is what one host, pod or container wrote: the rotation set of its log, or a recording. Pids are those of one
host: nothing here compares pids of different sources.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from gtdiag.model.report import Confidence, Count, Gap, GunicornFacts, Incident, Pattern, Period

PARTIAL_SCHEMA = "gtdiag.partial/1"
"""Name and version of a partial analysis; processes and clusters exchange only this."""


@dataclass(frozen=True, slots=True)
class CauseKey:
    """What makes incidents of different hosts one cause: the same call, or the same words where no call is known.

    `call`: the call's name (the application's function, else the library's). `kind` and `words` (numbers left out) are
    set only where nothing is blamed. Files and lines are left out: they differ from release to release.
    """

    category: str | None = None
    call: str | None = None
    library: str | None = None
    kind: str | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class CausePart:
    """What one source shows of one cause.

    `workers`: how many different workers had it at least: the most of them that were alive at the same time. A worker
    that is replaced and has it again is the same one. `kinds`, `peers`: incidents of each.
    """

    key: CauseKey
    incidents: int
    workers: int
    kinds: tuple[Count, ...]
    confidence: Confidence
    first_at: datetime | None = None
    last_at: datetime | None = None
    in_startup: int = 0
    resolved: int = 0
    longest_s: float | None = None
    peers: tuple[Count, ...] = ()


@dataclass(frozen=True, slots=True)
class SourcePart:
    """What one source shows: bounded, whatever it holds.

    `key` tells sources apart (its files' names). `workers`: the setting where it is known, else the most that were
    alive at the same time; `lives`: worker processes, with every replacement; `affected_workers`: those of `workers`
    that had an incident, whatever its cause. `problem`: why it could not be read.
    """

    key: str
    kind: str
    files: tuple[str, ...]
    host: str
    deployment: str | None = None
    gunicorn: GunicornFacts = field(default_factory=GunicornFacts)
    period: Period = field(default_factory=lambda: Period(None, None))
    workers: int = 0
    lives: int = 0
    incidents: int = 0
    affected_workers: int = 0
    master_pids: tuple[int, ...] = ()
    causes: tuple[CausePart, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    gaps: tuple[Gap, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """An incident that stands for its cause. `rank`: 0 for the first of its cause in its source, 1 for the second."""

    cause: CauseKey
    rank: int
    source: str
    incident: Incident


@dataclass(frozen=True, slots=True)
class Partial:
    """What some of the sources show. Partials merge in any grouping and any order to the same value."""

    gtdiag_version: str
    parts: tuple[SourcePart, ...] = ()
    examples: tuple[Example, ...] = ()
    schema: str = PARTIAL_SCHEMA
