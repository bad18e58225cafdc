"""What a renderer is given: the report, and what only some formats draw on."""

from __future__ import annotations

from dataclasses import dataclass, field

from gtdiag.model.report import IncidentKind, PatternKind, Report
from gtdiag.model.stack_profile import StackProfile

ALL_KINDS = frozenset(kind.value for kind in (*IncidentKind, *PatternKind))


@dataclass(frozen=True, slots=True)
class ReportMaterial:
    """`failing`: the kinds of incidents and patterns that count as a failure here (`--fail-on`).

    `stacks`: every stack that was seen; empty unless the format is one of STACK_FORMATS.
    """

    report: Report
    failing: frozenset[str] = ALL_KINDS
    stacks: StackProfile = field(default_factory=StackProfile)
