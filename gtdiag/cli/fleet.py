"""`gtdiag analyze` of many hosts: when a fleet is meant, how far it is, and its result to whoever asked for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gtdiag.cli.progress_line import progress_line
from gtdiag.cli.report_options import ReportOptions, deliver_report, exit_code_of
from gtdiag.errors import ExitCode, UsageError
from gtdiag.renderers.formats import STACK_FORMATS, TABLE_FORMATS

if TYPE_CHECKING:
    from gtdiag.collectors.log_search import FoundFile
    from gtdiag.rules.rule_set import RuleSet

MOST_REPLICAS_ONE_BY_ONE = 8
"""Of more, nobody reads the workers one by one: their causes are merged."""


def is_fleet(found: Sequence[FoundFile], recordings: Sequence[str]) -> bool:
    """Whether the files are those of so many hosts that their causes are merged, or recordings besides others."""
    from gtdiag.fleet.sources import group_sources

    if recordings and len(found) > 1:
        return True
    return len(found) > MOST_REPLICAS_ONE_BY_ONE and len(group_sources(found)) > MOST_REPLICAS_ONE_BY_ONE


def analyze_as_fleet(
    found: Sequence[FoundFile],
    report_options: ReportOptions,
    *,
    since: datetime | timedelta | None,
    until: datetime | timedelta | None,
    timeout_s: float | None,
    jobs: int | None,
    scheduler: str | None,
    rules: RuleSet | None,
) -> ExitCode:
    """Analyze the files as those of many hosts, deliver the report, and return the exit code it stands for."""
    from gtdiag.fleet.run import analyze_fleet
    from gtdiag.fleet.sources import group_sources
    from gtdiag.fleet.work import WorkSettings

    if any(file.path == "-" for file in found):
        raise UsageError("standard input is one log: it cannot be a part of a fleet", hint="write it to a file first")
    if report_options.format in STACK_FORMATS:
        raise UsageError(
            f"--format {report_options.format.value} shows the stacks of one server, not of many",
            hint="give the recording of one of them",
        )
    folder = None
    if report_options.format in TABLE_FORMATS:
        from gtdiag.cli.output_tables import check_folder

        folder = check_folder(report_options.output)
    with progress_line() as line:
        result = analyze_fleet(
            group_sources(found),
            WorkSettings(since, until, timeout_s, rules, tables=folder is not None, redact=report_options.redact),
            jobs=jobs or count_cores(),
            scheduler=scheduler,
            progress=None
            if line is None
            else lambda done, total: line.say(lambda: f"analyzed {done} of {total} sources"),
        )
    if folder is not None:
        from gtdiag.cli.output_tables import write_tables

        write_tables(folder, result.tables)
        return exit_code_of(result.report, report_options)
    return deliver_report(result.report, report_options)


def count_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
