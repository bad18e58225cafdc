"""Saved logs, recordings, or one look at a running master, to a report; and a report to one of its formats."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Union

from gtdiag.errors import GtdiagError, UsageError
from gtdiag.model.report import Report

if TYPE_CHECKING:
    from gtdiag.cli.observation import Observation
    from gtdiag.rules.rule_set import RuleSet

Path = Union[str, "os.PathLike[str]"]


class IncompleteError(GtdiagError):
    """Something went wrong after a part was read. `report` is that of the part; the cause is `__cause__`."""

    def __init__(self, error: GtdiagError, report: Report) -> None:
        super().__init__(error.message, error.hint)
        self.report = report


def analyze(
    paths: Path | Iterable[Path],
    *,
    since: datetime | timedelta | None = None,
    until: datetime | timedelta | None = None,
    timeout_s: float | None = None,
    jobs: int = 1,
    rules: Path | None = None,
    redact: bool = True,
) -> Report:
    """Return the report of saved logs (files, folders, patterns), or of one recording; as `gtdiag analyze` does.

    `since`, `until`: aware times, or durations back from the end of the log; events outside are left out.
    `timeout_s`: gunicorn's `timeout` setting, where the log does not tell. `jobs`: processes that search large logs.
    `rules`: a file of rules of your own; no configuration file is looked for. `redact`: no query values, no passwords.

    Raises GtdiagError (LogReadError, RecordingError, UsageError), IncompleteError where a part could be read.
    """
    from gtdiag.cli.analyze import observe_saved

    for moment in (since, until):
        if isinstance(moment, datetime) and moment.tzinfo is None:
            raise UsageError(f"{moment} has no time zone", hint="give an aware time, or a timedelta back from the end")
    names = (paths,) if isinstance(paths, (str, os.PathLike)) else tuple(paths)
    observation = observe_saved(
        tuple(os.fspath(name) for name in names),
        read_rules_of(rules),
        since=since,
        until=until,
        timeout_s=timeout_s,
        jobs=jobs,
    )
    return report_of(observation, redact=redact)


def snapshot(pid: int | None = None, *, rules: Path | None = None, redact: bool = True) -> Report:
    """Return what every worker of a master is doing right now, from one look; as `gtdiag snapshot` does.

    `pid`: the master's or a worker's; None: the only master of this host. Raises GtdiagError.
    """
    from gtdiag.cli.choose_master import choose_master
    from gtdiag.cli.observation import fold
    from gtdiag.collectors.snapshot import collect_snapshot

    own_rules = read_rules_of(rules)
    return report_of(fold(collect_snapshot(choose_master(pid, None), redact=redact), own_rules), redact=redact)


def render(report: Report, format: str = "text", *, width: int = 100) -> str:
    """Return the report as text, json, markdown, html, junit or github; `width` in columns is for text.

    Raises ValueError for another format (speedscope and collapsed are made of more than a report holds).
    """
    from gtdiag.renderers.formats import RENDERERS, STACK_FORMATS, ReportFormat
    from gtdiag.renderers.material import ReportMaterial
    from gtdiag.renderers.page import Page

    known = [member.value for member in ReportFormat if member not in STACK_FORMATS]
    if format not in known:
        raise ValueError(f"{format!r} is none of {', '.join(known)}")
    return RENDERERS[ReportFormat(format)](ReportMaterial(report), Page(width=width))


def read_rules_of(rules: Path | None) -> RuleSet:
    """Return gtdiag's rules, after those of the file. Raises RulesError."""
    from gtdiag.cli.rules_file import NO_RULES, read_rules

    return read_rules(NO_RULES if rules is None else os.fspath(rules))


def report_of(observation: Observation, *, redact: bool) -> Report:
    """Return the report as it may be shown. Raises IncompleteError where an error cut it short."""
    from gtdiag.renderers.redaction import redact_report

    report = redact_report(observation.report) if redact else observation.report
    if observation.error is not None:
        raise IncompleteError(observation.error, report) from observation.error
    return report
