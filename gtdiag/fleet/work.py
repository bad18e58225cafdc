"""What is handed to a process or a cluster's worker, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gtdiag.rules.rule_set import RuleSet


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files of one source. `key` tells it from all others, `host` names it; `size_bytes`: to share out the work."""

    key: str
    host: str
    files: tuple[str, ...]
    deployment: str | None = None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class WorkSettings:
    """How sources are analyzed; the same for all. `since` and `until`: times, or durations back from a log's end.

    `rules`: None for those that come with gtdiag. `tables`: the events and incidents are wanted as tables as well;
    `redact`: whether their secrets are masked.
    """

    since: datetime | timedelta | None = None
    until: datetime | timedelta | None = None
    timeout_s: float | None = None
    rules: RuleSet | None = None
    tables: bool = False
    redact: bool = True


@dataclass(frozen=True, slots=True)
class SourceTables:
    """A source's events and incidents as Parquet files in memory; `key` is the source's."""

    key: str
    events: bytes
    incidents: bytes


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch of sources: their partial analysis as `partial_codec` writes it, and their tables."""

    partial: bytes
    sources: int
    tables: tuple[SourceTables, ...] = ()


Batch = tuple[SourceFiles, ...]

BATCHES_OF_A_WORKER = 16
"""Few enough that handing out costs nothing, enough that all workers end at about the same time."""


def share_out(sources: list[SourceFiles], workers: int) -> list[Batch]:
    """Batches of about the same number of bytes, the largest sources first."""
    ordered = sorted(sources, key=lambda source: (-source.size_bytes, source.key))
    target_bytes = sum(source.size_bytes for source in ordered) / max(workers * BATCHES_OF_A_WORKER, 1)
    batches: list[Batch] = []
    current: list[SourceFiles] = []
    current_bytes = 0
    for source in ordered:
        current.append(source)
        current_bytes += source.size_bytes
        if current_bytes >= target_bytes:
            batches.append(tuple(current))
            current, current_bytes = [], 0
    return [*batches, tuple(current)] if current else batches


def with_times(settings: WorkSettings) -> tuple[datetime | None, datetime | None, timedelta | None, timedelta | None]:
    """`since` and `until` as times, and as durations back from the end; None where not given so."""
    since, until = settings.since, settings.until
    return (
        since if isinstance(since, datetime) else None,
        until if isinstance(until, datetime) else None,
        since if isinstance(since, timedelta) else None,
        until if isinstance(until, timedelta) else None,
    )
