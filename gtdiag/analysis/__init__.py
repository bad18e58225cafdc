"""Folds events into worker life-lines, incidents, patterns and a verdict; no I/O, no clock."""

from __future__ import annotations

from gtdiag.analysis.fold import Fold
from gtdiag.analysis.incident_news import IncidentNews
from gtdiag.analysis.judging import Judge
from gtdiag.analysis.reporting import draw_report
from gtdiag.model.events import Event
from gtdiag.model.report import Report
from gtdiag.model.stack_profile import StackProfile
from gtdiag.rules.rule_set import RuleSet


class Analysis:
    """Takes the events of one observation in order; gives a report at any time, live or at the end."""

    def __init__(self, rules: RuleSet | None = None, *, keep_stacks: bool = False) -> None:
        """`rules`: those to classify by; None: those that come with gtdiag. `keep_stacks`: for `stacks()`."""
        self._fold = Fold(rules, keep_stacks=keep_stacks)

    def add(self, event: Event) -> None:
        """Take the next event."""
        self._fold.add(event)

    def report(self) -> Report:
        """What can be concluded from the events until now."""
        return draw_report(self._fold)

    def stacks(self) -> StackProfile | None:
        """Where the workers were seen until now, added up; None where that was not asked for. Follows `report()`."""
        if self._fold.stacks is None:
            return None
        return self._fold.stacks.profile(Judge(self._fold.observation).phase_of)


__all__ = ["Analysis", "IncidentNews"]
