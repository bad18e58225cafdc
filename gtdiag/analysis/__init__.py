"""Folds events into worker life-lines, incidents, patterns and a verdict; no I/O, no clock."""

from __future__ import annotations

from gtdiag.analysis.fold import Fold
from gtdiag.analysis.reporting import draw_report
from gtdiag.model.events import Event
from gtdiag.model.report import Report
from gtdiag.rules.rule_set import RuleSet


class Analysis:
    """Takes the events of one observation in order; gives a report at any time, live or at the end."""

    def __init__(self, rules: RuleSet | None = None) -> None:
        """`rules`: those to classify by; None: those that come with gtdiag."""
        self._fold = Fold(rules)

    def add(self, event: Event) -> None:
        """Take the next event."""
        self._fold.add(event)

    def report(self) -> Report:
        """What can be concluded from the events until now."""
        return draw_report(self._fold)


__all__ = ["Analysis"]
