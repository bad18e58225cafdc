"""A stream of events to a report, and the report to its reader; what was collected before an error is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtdiag.cli.report_options import ReportOptions, deliver_report
from gtdiag.errors import ExitCode, GtdiagError
from gtdiag.model.events import CollectionGap, Event, ObservationEnded, ObservationStarted
from gtdiag.model.report import Report

if TYPE_CHECKING:
    from gtdiag.model.stack_profile import StackProfile
    from gtdiag.rules.rule_set import RuleSet

_SAY_NOTHING_OF_GUNICORN = (ObservationStarted, ObservationEnded, CollectionGap)


@dataclass(frozen=True, slots=True)
class Observation:
    """A report, the error that cut its events short, if one did, and the stacks behind it, if they were kept."""

    report: Report
    error: GtdiagError | None = None
    stacks: StackProfile | None = None


def fold(events: Iterable[Event], rules: RuleSet | None = None, *, keep_stacks: bool = False) -> Observation:
    """Read all events into a report. An error before anything of gunicorn's was seen is raised as it is."""
    from gtdiag.analysis import Analysis

    analysis = Analysis(rules, keep_stacks=keep_stacks)
    collected = False
    try:
        for event in events:
            analysis.add(event)
            collected = collected or not isinstance(event, _SAY_NOTHING_OF_GUNICORN)
    except GtdiagError as error:
        if not collected:
            raise
        return Observation(analysis.report(), error, analysis.stacks())
    return Observation(analysis.report(), stacks=analysis.stacks())


def conclude(observation: Observation, options: ReportOptions) -> ExitCode:
    """Deliver the report, then raise the error that cut it short; without one, return the exit code."""
    exit_code = deliver_report(observation.report, options, observation.stacks)
    if observation.error is not None:
        raise observation.error
    return exit_code
