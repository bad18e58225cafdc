"""Sources to the report of the fleet: shared out, analyzed by whoever there is, merged, concluded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gtdiag.analysis.fleet.concluding import conclude
from gtdiag.analysis.fleet.merging import merge_partials
from gtdiag.errors import LogReadError
from gtdiag.fleet.partial_codec import parse_partial
from gtdiag.fleet.work import BatchResult, SourceFiles, SourceTables, WorkSettings, share_out
from gtdiag.model.partial import Partial
from gtdiag.model.report import Report

_MERGED_AT_ONCE = 32
_MAX_REASONS = 3


@dataclass(frozen=True, slots=True)
class FleetResult:
    """The report, and the tables where they were asked for, in the order of the sources' keys."""

    report: Report
    tables: tuple[SourceTables, ...] = ()


def analyze_fleet(
    sources: list[SourceFiles],
    settings: WorkSettings,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FleetResult:
    """Analyze all sources with `jobs` processes, or on the Dask cluster at `scheduler`; the report is the same.

    `progress` is told how many of how many sources are done. Raises LogReadError where not one could be read.
    """
    done = 0
    merged = Partial("")
    waiting: list[Partial] = []
    tables: list[SourceTables] = []
    for result in _results(sources, settings, jobs, scheduler):
        waiting.append(parse_partial(result.partial))
        tables.extend(result.tables)
        if len(waiting) >= _MERGED_AT_ONCE:
            merged, waiting = merge_partials([merged, *waiting]), []
        done += result.sources
        if progress is not None:
            progress(done, len(sources))
    merged = merge_partials([merged, *waiting])
    _check_that_some_were_read(merged)
    return FleetResult(conclude(merged, settings.rules), tuple(sorted(tables, key=lambda table: table.key)))


def _results(
    sources: list[SourceFiles], settings: WorkSettings, jobs: int, scheduler: str | None
) -> Iterator[BatchResult]:
    # What lives in the memory of this process is not to be found in another one.
    here = [source for source in sources if any(file.startswith("memory://") for file in source.files)]
    elsewhere = [source for source in sources if source not in here] if here else sources
    if here:
        from gtdiag.fleet.one_source import analyze_batch

        yield analyze_batch(tuple(here), settings)
    if scheduler is not None:
        from gtdiag.fleet.dask_cluster import analyze_on_cluster, count_workers

        yield from analyze_on_cluster(share_out(elsewhere, count_workers(scheduler)), settings, scheduler)
        return
    from gtdiag.fleet.processes import analyze_in_processes

    yield from analyze_in_processes(share_out(elsewhere, jobs), settings, jobs)


def _check_that_some_were_read(merged: Partial) -> None:
    if any(part.problem is None for part in merged.parts):
        return
    reasons = list(dict.fromkeys(part.problem or "" for part in merged.parts))
    more = f"; and {len(reasons) - _MAX_REASONS} more" if len(reasons) > _MAX_REASONS else ""
    raise LogReadError(
        f"not one of {len(merged.parts)} sources could be read: {'; '.join(reasons[:_MAX_REASONS])}{more}",
        "gtdiag reads gunicorn's error log (standard error, --error-logfile), kernel logs and recordings",
    )
