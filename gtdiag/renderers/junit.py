"""A report to JUnit XML: each kind of incident and pattern is a test case that passes, or fails once for each cause.

The names of the cases hold no pids, so that a CI server sees the same test from run to run. The elements and attributes
are those of Jenkins's xunit plugin (junit-10.xsd), which GitLab, GitHub actions, Azure and CircleCI read too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape, quoteattr

from gtdiag.model.report import IncidentKind, Pattern, PatternKind, Report
from gtdiag.renderers import phrases, report_words
from gtdiag.renderers.escaping import escape_text
from gtdiag.renderers.incident_groups import IncidentGroup, group_incidents
from gtdiag.renderers.material import ALL_KINDS
from gtdiag.renderers.report_strings import map_strings
from gtdiag.renderers.report_words import MAX_EVIDENCE_LINES, GroupContext
from gtdiag.renderers.text import render_text

_MANY_LINES = frozenset({"Remedy.why", "Remedy.how"})
_NEWLINES = {"\n": "&#10;"}


@dataclass(frozen=True, slots=True)
class _Case:
    """One test case. `outcome`: "passed", "failure" or "skipped"; `type` and `message` are those of the outcome."""

    class_name: str
    name: str
    outcome: str = "passed"
    type: str = ""
    message: str = ""
    text: str = ""


def render_junit(report: Report, *, failing: frozenset[str] = ALL_KINDS) -> str:
    """Return the report as one JUnit test suite, ending in a newline.

    `failing`: kinds of incidents and patterns that fail; the others are test cases that pass, with their words as
    output. What could not be seen is a skipped case.
    """
    shown = map_strings(report, lambda place, text: escape_text(text, keep_newlines=place in _MANY_LINES))
    cases = _with_names_of_their_own(_cases(shown, failing))
    outcomes = [case.outcome for case in cases]
    period_s = _period_s(shown)
    attributes = {
        "name": "gtdiag",
        "tests": str(len(cases)),
        "failures": str(outcomes.count("failure")),
        "errors": "0",
        "skipped": str(outcomes.count("skipped")),
        "time": None if period_s is None else f"{period_s:.3f}",
        "timestamp": None if shown.period.start is None else shown.period.start.isoformat(timespec="seconds"),
    }
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    lines += [f"<testsuite{_attributes(attributes)}>", "  <properties>"]
    lines += [f"    <property{_attributes({'name': name, 'value': value})}/>" for name, value in _properties(shown)]
    lines.append("  </properties>")
    for case in cases:
        lines += _case_lines(case)
    lines.append(f"  <system-out>{escape(render_text(report, width=100))}</system-out>")
    return "\n".join([*lines, "</testsuite>", "</testsuites>"]) + "\n"


def _cases(report: Report, failing: frozenset[str]) -> Iterator[_Case]:
    about = report_words.context_of(report)
    groups = group_incidents(report.incidents, report.fleet)
    for kind in IncidentKind:
        found = [group for group in groups if group.first.kind is kind]
        for group in found:
            yield _case_of_group(group, about, fails=kind.value in failing)
        if not found:
            yield _Case("gtdiag.incidents", kind.value)
    for pattern_kind in PatternKind:
        patterns = [pattern for pattern in report.patterns if pattern.kind is pattern_kind]
        for pattern in patterns:
            yield _case_of_pattern(pattern, fails=pattern_kind.value in failing)
        if not patterns:
            yield _Case("gtdiag.patterns", pattern_kind.value)
    for gap in report.gaps:
        yield _Case("gtdiag.gaps", gap.what, "skipped", "gap", gap.why, gap.hint)


def _case_of_group(group: IncidentGroup, about: GroupContext, *, fails: bool) -> _Case:
    first = group.first
    name = first.kind.value
    message = first.summary
    if group.blames:
        call = phrases.say_call(group.blames[0])
        name += f": {call}"
        message = f"{report_words.say_group_title(group)}, blocked in {call}"
    lines = [report_words.say_group_title(group)]
    facts = [*report_words.say_who_and_when(group, about), *report_words.say_blame(group)]
    lines += [f"  {fact.label}: {fact.text}" for fact in facts]
    if group.blames and group.blames[0].stack:
        lines.append("  stack, outermost first; >> is application code:")
        lines += [f"    {line}" for line in report_words.say_stack(group.blames[0].stack)]
    memory = report_words.say_memory(first)
    if memory:
        lines.append(f"  memory: {memory}")
    lines += [f"  evidence: {line}" for line in group.evidence[:MAX_EVIDENCE_LINES]]
    return _Case("gtdiag.incidents", name, _outcome(fails), first.kind.value, message, "\n".join(lines))


def _case_of_pattern(pattern: Pattern, *, fails: bool) -> _Case:
    name = pattern.kind.value if pattern.call is None else f"{pattern.kind.value}: {pattern.call}"
    lines = [report_words.say_pattern_title(pattern), f"  {pattern.summary}"]
    figures = report_words.say_pattern_figures(pattern)
    lines += [f"  {line}" for line in ((figures,) if figures else ())]
    lines += [f"  evidence: {line}" for line in pattern.evidence[:MAX_EVIDENCE_LINES]]
    return _Case("gtdiag.patterns", name, _outcome(fails), pattern.kind.value, pattern.summary, "\n".join(lines))


def _outcome(fails: bool) -> str:
    return "failure" if fails else "passed"


def _with_names_of_their_own(cases: Iterable[_Case]) -> list[_Case]:
    """Number the cases of one name: consumers take two cases of one name for two runs of it."""
    seen: dict[tuple[str, str], int] = {}
    named = []
    for case in cases:
        key = (case.class_name, case.name)
        seen[key] = seen.get(key, 0) + 1
        name = case.name if seen[key] == 1 else f"{case.name} ({seen[key]})"
        named.append(replace(case, name=name))
    return named


def _case_lines(case: _Case) -> list[str]:
    opening = f"  <testcase{_attributes({'classname': case.class_name, 'name': case.name})}"
    if case.outcome == "passed" and not case.text:
        return [f"{opening}/>"]
    if case.outcome == "passed":
        inside = f"    <system-out>{escape(case.text)}</system-out>"
    else:
        said = _attributes({"type": case.type, "message": case.message})
        inside = f"    <{case.outcome}{said}>{escape(case.text)}</{case.outcome}>"
    return [f"{opening}>", inside, "  </testcase>"]


def _properties(report: Report) -> Iterator[tuple[str, str]]:
    facts = report.gunicorn
    yield "gtdiag.version", report.gtdiag_version
    yield "gtdiag.source", ", ".join((report.source.kind, *report.source.files[:8]))
    yield "gtdiag.verdict", report.verdict.summary
    yield "gtdiag.confidence", report.verdict.confidence.value
    known = {
        "version": facts.version,
        "master_pid": facts.master_pid,
        "worker_class": facts.worker_class,
        "workers": facts.workers,
        "timeout_s": None if facts.timeout_s is None else f"{facts.timeout_s:g}",
        "python": facts.python,
    }
    for name, value in known.items():
        if value is not None:
            yield f"gunicorn.{name}", str(value)


def _period_s(report: Report) -> float | None:
    if report.period.start is None or report.period.end is None:
        return None
    return max(0.0, (report.period.end - report.period.start).total_seconds())


def _attributes(values: dict[str, str | None]) -> str:
    return "".join(f" {name}={quoteattr(value, _NEWLINES)}" for name, value in values.items() if value is not None)
