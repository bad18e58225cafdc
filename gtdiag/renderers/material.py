"""What a renderer is given: the report, and what only some formats draw on."""

from __future__ import annotations

from dataclasses import dataclass

from gtdiag.model.report import IncidentKind, PatternKind, Report

ALL_KINDS = frozenset(kind.value for kind in (*IncidentKind, *PatternKind))


@dataclass(frozen=True, slots=True)
class ReportMaterial:
    """`failing`: the kinds of incidents and patterns that count as a failure here (`--fail-on`)."""

    report: Report
    failing: frozenset[str] = ALL_KINDS
